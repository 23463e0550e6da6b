// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/slot.h"

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>

#include "bus/pci/config_ports.h"

namespace ivshmem::acrn {
namespace {

using ioreq::Request;

template <typename T>
T Load(T& field) noexcept {
  return std::atomic_ref<T>(field).load(std::memory_order_relaxed);
}

template <typename T>
void Store(T& field, T value) noexcept {
  std::atomic_ref<T>(field).store(value, std::memory_order_relaxed);
}

// The request's union as far as something is there.
using Words = std::array<__u64, 6>;

Request::Direction DirectionOf(uint32_t direction) {
  switch (direction) {
    case ACRN_IOREQ_DIR_READ:
      return Request::Direction::kRead;
    case ACRN_IOREQ_DIR_WRITE:
      return Request::Direction::kWrite;
    default:
      return Request::Direction::kUnknown;
  }
}

uint64_t ConfigAddress(const acrn_pci_request& request) {
  if (request.bus > 255 || request.dev > 31 || request.func > 7 ||
      request.reg >= pci::kEcamFunctionSize) {
    return ~uint64_t{0};
  }
  return pci::EcamOffset(static_cast<int>(request.bus),
                         static_cast<int>(request.dev),
                         static_cast<int>(request.func)) +
         request.reg;
}

Request Memory(const Words& words) {
  const auto mmio = std::bit_cast<acrn_mmio_request>(
      std::array{words[0], words[1], words[2], words[3]});
  return {.kind = Request::Kind::kMemory,
          .direction = DirectionOf(mmio.direction),
          .address = mmio.address,
          .size = mmio.size,
          .value = mmio.value};
}

Request Port(const Words& words) {
  const auto pio = std::bit_cast<acrn_pio_request>(
      std::array{words[0], words[1], words[2], words[3]});
  return {.kind = Request::Kind::kPorts,
          .direction = DirectionOf(pio.direction),
          .address = pio.address,
          .size = pio.size,
          .value = pio.value};
}

Request Config(const Words& words) {
  const auto config = std::bit_cast<acrn_pci_request>(words);
  return {.kind = Request::Kind::kPciConfig,
          .direction = DirectionOf(config.direction),
          .address = ConfigAddress(config),
          .size = config.size,
          .value = config.value};
}

}  // namespace

bool Slot::HasRequest() const noexcept {
  const uint32_t state =
      std::atomic_ref(shared_.processed).load(std::memory_order_acquire);
  return state == ACRN_IOREQ_STATE_PROCESSING &&
         Load(shared_.kernel_handled) == 0;
}

Request Slot::Copy() const noexcept {
  const uint32_t type = Load(shared_.type);
  Words words;
  for (size_t i = 0; i < words.size(); ++i) {
    words[i] = Load(shared_.reqs.data[i]);
  }
  switch (type) {
    case ACRN_IOREQ_TYPE_PORTIO:
      return Port(words);
    case ACRN_IOREQ_TYPE_MMIO:
      return Memory(words);
    case ACRN_IOREQ_TYPE_PCICFG:
      return Config(words);
    case kTypeWriteProtect: {
      Request request = Memory(words);
      request.direction = Request::Direction::kWrite;
      return request;
    }
    default:
      return {};
  }
}

void Slot::SetValue(const Request& request, uint64_t value) noexcept {
  if (request.direction == Request::Direction::kWrite) return;
  switch (request.kind) {
    case Request::Kind::kPorts:
      return Store(shared_.reqs.pio_request.value, static_cast<__u32>(value));
    case Request::Kind::kPciConfig:
      return Store(shared_.reqs.pci_request.value, static_cast<__u32>(value));
    default:
      return Store(shared_.reqs.mmio_request.value, __u64{value});
  }
}

}  // namespace ivshmem::acrn
