// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Saved devices as bytes; hostile_state_test.cc has those that are none.

#include "proto/device_state.h"

#include <array>
#include <cstdint>
#include <string>
#include <variant>

#include "bus/pci/bars.h"
#include "bus/pci/function_state.h"
#include "core/device_state.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "core/shared_memory.h"
#include "device/memory_state.h"
#include "gtest/gtest.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

template <typename T>
T Any() {
  return *rc::gen::arbitrary<T>();
}

DeviceState AnyDevice() {
  DeviceState device;
  device.dialect = *rc::gen::element<std::string>("rev1", "acrn", "");
  device.interrupts =
      *rc::gen::element(InterruptMode::kNone, InterruptMode::kMsix,
                        InterruptMode::kIntx, InterruptMode::kLine);
  device.vectors = *rc::gen::inRange(0, kMaxVectors + 1);
  if (Any<bool>()) device.id = Any<PeerId>();
  device.registers = {.mask = Any<uint32_t>(), .status = Any<uint32_t>()};
  return device;
}

MemoryState AnyMemory() {
  return {.size = Any<uint64_t>(),
          .access = *rc::gen::element(MemoryAccess::kReadWrite,
                                      MemoryAccess::kReadOnly),
          .role = *rc::gen::element(MemoryRole::kAuto, MemoryRole::kOwner,
                                    MemoryRole::kPeer)};
}

pci::FunctionState AnyFunction() {
  pci::FunctionState function = {
      .vendor_id = Any<uint16_t>(),
      .device_id = Any<uint16_t>(),
      .revision = Any<uint8_t>(),
      .class_code = Any<uint32_t>() & 0xffffff,
      .header_type = Any<uint8_t>(),
      .subsystem_vendor_id = Any<uint16_t>(),
      .subsystem_id = Any<uint16_t>(),
      .command = Any<uint16_t>(),
      .cache_line_size = Any<uint8_t>(),
      .interrupt_line = Any<uint8_t>(),
      .bars = Any<std::array<uint32_t, pci::kBars>>(),
      .msix_control = Any<uint16_t>(),
  };
  function.msix.resize(*rc::gen::inRange(0, 20));
  for (pci::MsixVectorState& vector : function.msix) {
    vector = {.address = Any<uint64_t>(),
              .data = Any<uint32_t>(),
              .control = Any<uint32_t>(),
              .pending = Any<bool>()};
  }
  return function;
}

SavedDevice AnySaved() {
  if (Any<bool>()) {
    return PciDeviceState{.device = AnyDevice(),
                          .memory = AnyMemory(),
                          .function = AnyFunction(),
                          .hidden_bars = Any<std::array<bool, pci::kBars>>()};
  }
  return FlatDeviceState{.device = AnyDevice(),
                         .memory = AnyMemory(),
                         .registers_address = Any<uint64_t>(),
                         .memory_address = Any<uint64_t>()};
}

// Bytes are all of the state, and the same for the same.
RC_GTEST_PROP(DeviceStateTest, ThereAndBack, ()) {
  const SavedDevice saved = AnySaved();
  const std::string bytes = EncodeState(saved);
  const auto back = DecodeState(bytes);
  RC_ASSERT(back.ok());
  RC_ASSERT(*back == saved);
  RC_ASSERT(EncodeState(*back) == bytes);
}

// The largest device there can be is well within what is read.
TEST(DeviceStateTest, TheLargest) {
  PciDeviceState state = {
      .device = {.dialect = "qemu-flat", .interrupts = InterruptMode::kMsix}};
  state.function.msix.assign(kMaxVectors, {.address = ~uint64_t{0},
                                           .data = ~uint32_t{0},
                                           .control = ~uint32_t{0},
                                           .pending = true});
  const std::string bytes = EncodeState(state);
  EXPECT_LT(bytes.size(), kMostStateBytes / 4);
  const auto back = DecodeState(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(std::get<PciDeviceState>(*back), state);
}

}  // namespace
}  // namespace ivshmem
