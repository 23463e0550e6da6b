// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device is saved while its vCPUs run and peers interrupt: each part of the
// state is of one moment, and the whole can be restored.

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <set>
#include <thread>
#include <vector>

#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "bus/pci/registers.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr int kSaves = 300;
constexpr uint64_t kOneAddress = 0x11111111'11111110;
constexpr uint64_t kOtherAddress = 0x22222222'22222220;
constexpr uint32_t kOneBar = 0xfe000000;
constexpr uint32_t kOtherBar = 0xfd00ff00;

template <typename Write>
void WriteValue(Write write, uint64_t offset, int size, uint64_t value) {
  std::array<uint8_t, 8> bytes;
  const absl::Span<uint8_t> span = absl::MakeSpan(bytes).subspan(0, size);
  StoreLittleEndian(value, span);
  write(offset, span);
}

TEST(SaveStress, EachPartIsOfOneMoment) {
  mock::Host host({.keep = 0});
  std::vector<uint8_t> memory(0x1000);
  const SharedMemory shared = {memory.data(), memory.size()};
  const PciDevice::Config config = {.vectors = 2, .id = 1};
  const auto device = *PciDevice::Create(
      config, shared, {.mmio = &host.space(), .msi = &host.msi()});
  const auto set_config = [&](uint64_t offset, int size, uint64_t value) {
    WriteValue(
        [&](uint64_t at, absl::Span<const uint8_t> bytes) {
          device->ConfigWrite(at, bytes);
        },
        offset, size, value);
  };
  const auto write = [&](int bar, uint64_t offset, uint64_t value) {
    WriteValue(
        [&](uint64_t at, absl::Span<const uint8_t> bytes) {
          device->bar(bar).Write(at, bytes);
        },
        offset, 8, value);
  };
  set_config(pci::kBar0, 4, kOneBar);
  set_config(pci::kBar0 + 4, 4, 0xfe010000);
  set_config(pci::kCommand, 2, 0x6);
  set_config(pci::kMsixControl, 2, pci::kMsixControlEnable);
  write(1, 0, kOneAddress);

  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  const auto run = [&](auto round) {
    threads.emplace_back([&stop, round] {
      for (uint32_t i = 0; !stop; ++i) round(i);
    });
  };
  run([&](uint32_t i) { write(0, kMaskOffset, i * 0x1'00000001); });
  run([&](uint32_t i) {
    write(1, 0, i % 2 != 0 ? kOneAddress : kOtherAddress);
  });
  run([&](uint32_t i) {
    // Over the other one, which hides it.
    set_config(pci::kBar0, 4, i % 2 != 0 ? kOneBar : kOtherBar);
    set_config(pci::kBar0 + 4, 4, i % 4 < 2 ? 0xfe010000 : 0xfd00f000);
  });
  run([&](uint32_t i) { set_config(pci::kCommand, 2, i % 2 != 0 ? 6 : 4); });
  run([&](uint32_t i) { device->device().OnPeerInterrupt(i % 2); });

  const std::set<uint64_t> addresses = {0, kOneAddress, kOtherAddress};
  const std::set<uint32_t> bars = {kOneBar, kOtherBar};
  for (int i = 0; i < kSaves; ++i) {
    const PciDeviceState state = device->Save();
    EXPECT_EQ(state.device.registers.mask, state.device.registers.status);
    EXPECT_TRUE(addresses.contains(state.function.msix[0].address));
    EXPECT_TRUE(bars.contains(state.function.bars[0]));
    const auto restored = PciDevice::Restore(config, shared, {}, state);
    ASSERT_TRUE(restored.ok()) << restored.status();
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace ivshmem
