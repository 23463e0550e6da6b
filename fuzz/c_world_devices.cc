// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Memory, devices and their states, and what guests do with them.

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "fuzz/c_host.h"
#include "fuzz/c_options.h"
#include "fuzz/c_structs.h"
#include "fuzz/c_world.h"
#include "fuzz/require.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem {

void CWorld::NewMemory() {
  ivshmem_memory*& memory = AnyMemory();
  ivshmem_memory_destroy(std::exchange(memory, nullptr));
  const uint64_t size = Mostly<uint64_t>(
      input_, kMemory, {0, 1, 16, 4095, 1 << 20, 1ull << 63, ~0ull});
  int result = 0;
  switch (input_.ConsumeIntegralInRange(0, 3)) {
    case 0:
      result = ivshmem_memory_create(size, &memory);
      break;
    case 1: {
      const AnyFd fd(input_);
      result = ivshmem_memory_map_fd(fd.get(), size, Any(1), &memory);
      break;
    }
    case 2:
      // What is said of it has to be there.
      result = ivshmem_memory_wrap(
          input_.ConsumeIntegralInRange(0, 7) == 1 ? nullptr : wrapped_.data(),
          size <= wrapped_.size() ? size : 16, &memory);
      break;
    default:
      Require(ivshmem_memory_create(size, nullptr) == -EINVAL, "null");
      result = ivshmem_link_memory(link_, &memory);
      break;
  }
  Checked(result);
  Require((result == 0) == (memory != nullptr), "memory or an error");
  Require((ivshmem_memory_data(memory) != nullptr) == (result == 0), "data");
  if (ivshmem_memory_fd(memory) < 0) Checked(ivshmem_memory_fd(memory));
}
ivshmem_memory*& CWorld::AnyMemory() {
  return memories_[input_.ConsumeIntegralInRange<size_t>(0,
                                                         memories_.size() - 1)];
}

// What options point to.
template <typename Options>
Options CWorld::With(Options options, const ivshmem_host* host,
                     const ivshmem_limits* limits) {
  if (memories_[0] == nullptr) {
    Checked(ivshmem_memory_create(kMemory, &memories_[0]));
  }
  options.memory =
      Mostly<ivshmem_memory*>(input_, memories_[0], {memories_[1], nullptr});
  options.host = Mostly<const ivshmem_host*>(input_, host, {nullptr});
  options.loop = input_.ConsumeBool() ? Loop() : nullptr;
  if (input_.ConsumeIntegralInRange(0, 3) == 1) options.limits = limits;
  return options;
}

void CWorld::NewDevice(const std::vector<uint8_t>* state) {
  Slot& slot = AnySlot();
  if (slot.device != nullptr || slot.busy) return;
  const Busy busy(slot.busy);
  hosts_.push_back(std::make_unique<CHost>(input_, [this] { CallBack(); }));
  CHost* const host = hosts_.back().get();
  const AnySize<ivshmem_host> callbacks(host->Callbacks(), input_);
  std::vector<ivshmem_allowed_rings> allowed;
  const AnySize<ivshmem_limits> limits(AnyLimits(input_, allowed), input_);
  ivshmem_device* made = nullptr;
  ivshmem_device** const place =
      Mostly<ivshmem_device**>(input_, &made, {nullptr});
  const void* const bytes = state == nullptr ? nullptr : state->data();
  const size_t size = state == nullptr ? 0 : state->size();
  int result = 0;
  if (input_.ConsumeIntegralInRange(0, 3) != 1) {
    const AnySize<ivshmem_pci_options> options(
        With(AnyPciOptions(input_), callbacks.get(), limits.get()), input_);
    result = state == nullptr
                 ? ivshmem_pci_create(options.get(), place)
                 : ivshmem_pci_restore(options.get(), bytes, size, place);
  } else {
    const AnySize<ivshmem_flat_options> options(
        With(AnyFlatOptions(input_), callbacks.get(), limits.get()), input_);
    result = state == nullptr
                 ? ivshmem_flat_create(options.get(), place)
                 : ivshmem_flat_restore(options.get(), bytes, size, place);
  }
  Checked(result);
  Require((result == 0) == (made != nullptr), "a device or an error");
  if (made == nullptr) return host->Gone();
  slot.device = made;
  slot.host = host;
}

void CWorld::Save() {
  Slot& slot = AnySlot();
  // The vCPUs are paused, and no work is left.
  if (depth_ != 0) return;
  if (slot.host != nullptr) slot.host->RunWork(false);
  if (slot.host != nullptr && !slot.host->idle()) return;
  std::vector<uint8_t> buffer(
      Mostly<size_t>(input_, 1000, {0, 1, 50, 100, 200}));
  const ssize_t size =
      Checked(ivshmem_device_save(slot.device, buffer.data(), buffer.size()));
  Require((size > 0) == (slot.device != nullptr), "a state of a device");
  Require(size <= IVSHMEM_STATE_BYTES_MAX, "of some bytes");
  if (size < 0 || static_cast<size_t>(size) > buffer.size()) return;
  buffer.resize(static_cast<size_t>(size));
  saved_ = buffer;
}

void CWorld::Restore() {
  std::vector<uint8_t> state = saved_;
  for (int i = input_.ConsumeIntegralInRange(0, 3); i > 0; --i) {
    if (state.empty()) break;
    const auto at = input_.ConsumeIntegralInRange<size_t>(0, state.size() - 1);
    if (input_.ConsumeIntegralInRange(0, 3) == 1) {
      state.resize(at);
    } else {
      state[at] = input_.ConsumeIntegral<uint8_t>();
    }
  }
  if (input_.ConsumeIntegralInRange(0, 7) == 1) {
    state = input_.ConsumeBytes<uint8_t>(
        input_.ConsumeIntegralInRange<size_t>(0, 64));
  }
  NewDevice(&state);
}

// Bytes of a guest's; of any size.
std::vector<uint8_t> CWorld::AnyBytes() {
  const auto size =
      input_.PickValueInArray<size_t>({4, 4, 4, 4, 1, 2, 8, 0, 3, 16, 300});
  std::vector<uint8_t> bytes = input_.ConsumeBytes<uint8_t>(
      size < 8 ? size : input_.ConsumeIntegralInRange<size_t>(0, 8));
  bytes.resize(size);
  return bytes;
}

void CWorld::ConfigAccess() {
  ivshmem_device* const device = AnySlot().device;
  std::vector<uint8_t> bytes = AnyBytes();
  switch (input_.ConsumeIntegralInRange(0, 3)) {
    case 0:
      ivshmem_device_config_read(device, AnyOffset(), bytes.data(),
                                 bytes.size());
      return;
    case 1:
      ivshmem_device_config_write(device, AnyOffset(), bytes.data(),
                                  bytes.size());
      return;
    default:
      break;
  }
  // What a guest does, so that there is something to ring.
  static constexpr std::array<std::pair<uint64_t, uint32_t>, 6> kWrites = {
      {{0x10, 0xfe000000},
       {0x14, 0xfe001000},
       {0x18, 0x80000000},
       {4, 6},
       {4, 4},
       {0x40, 0x80000000}}};
  for (const auto& [offset, value] : kWrites) {
    if (input_.ConsumeIntegralInRange(0, 3) == 1) continue;
    // The device may go meanwhile.
    if (AnySlot().device != device || device == nullptr) return;
    ivshmem_device_config_write(device, offset, &value, sizeof(value));
  }
}

void CWorld::Access() {
  Slot& slot = AnySlot();
  std::vector<uint8_t> bytes = AnyBytes();
  const uint64_t offset = AnyOffset();
  const uint32_t region = Any(2);
  ivshmem_range* const range =
      slot.host == nullptr ? nullptr : slot.host->range();
  uint64_t address = 0;
  switch (input_.ConsumeIntegralInRange(0, 7)) {
    case 0:
      return ivshmem_device_read(slot.device, region, offset, bytes.data(),
                                 bytes.size());
    case 1:
      return ivshmem_device_write(slot.device, region, offset, bytes.data(),
                                  bytes.size());
    case 2:
      return ivshmem_range_read(range, offset, bytes.data(), bytes.size());
    case 3:
      return ivshmem_range_write(range, offset, bytes.data(), bytes.size());
    case 4:
      Checked(ivshmem_device_region_address(
          slot.device, region, Mostly<uint64_t*>(input_, &address, {nullptr})));
      ivshmem_device_region_size(slot.device, region);
      ivshmem_device_count(slot.device, region);
      ivshmem_counter_name(region);
      return;
    case 5:
      Checked(ivshmem_device_reset(slot.device));
      return;
    default: {
      const uint32_t doorbell = Any(4) << 16 | Any(3);
      ivshmem_device_write(slot.device, IVSHMEM_REGION_REGISTERS, 12, &doorbell,
                           sizeof(doorbell));
    }
  }
}

void CWorld::Destroy(Slot& slot) {
  if (slot.device == nullptr) {
    Require(ivshmem_device_destroy(nullptr) == 0, "null");
    return;
  }
  // No call may begin with it now, and nobody takes its place.
  ivshmem_device* const device = std::exchange(slot.device, nullptr);
  CHost* const host = std::exchange(slot.host, nullptr);
  const bool busy = std::exchange(slot.busy, true);
  const int result = Checked(ivshmem_device_destroy(device));
  slot.busy = busy;
  Require(result == 0 || (result == -EDEADLK && depth_ > 0), "or inside");
  if (result == 0) return host->Gone();
  slot.device = device;
  slot.host = host;
}

}  // namespace ivshmem
