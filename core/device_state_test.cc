// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What a state has to be for a device to be restored with it.

#include "core/device_state.h"

#include <string>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

std::string Repeated(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

// Of a device without interrupts.
std::string Error(const DeviceState& state, const Dialect& dialect) {
  return std::string(
      CheckState(state, dialect, InterruptMode::kNone, 0).message());
}

// A state that says only the dialect is one of a device without interrupts.
TEST(DeviceStateTest, TheLeastOne) {
  EXPECT_EQ(Error({.dialect = "qemu-flat"}, kQemuFlat), "");
}

// It is restored as what it was saved of. A name that is shown is cut short.
TEST(DeviceStateTest, IsOfTheConfiguredDevice) {
  EXPECT_EQ(Error({.dialect = "acrn" + std::string(40, '\n')}, kQemu),
            "state.dialect: expected qemu, as configured, got 'acrn" +
                Repeated("\\n", 28) + "'");
  EXPECT_EQ(Error({}, kQemu),
            "state.dialect: expected qemu, as configured, got ''");
  EXPECT_EQ(Error({.dialect = "qemu", .vectors = 1}, kQemu),
            "state.vectors: expected 0, as configured, got 1");
}

// An error names both kinds of interrupts; any number may have come.
TEST(DeviceStateTest, InterruptsAreNamed) {
  const auto got = [](InterruptMode interrupts) {
    return Error({.dialect = "qemu", .interrupts = interrupts}, kQemu);
  };
  const std::string expected =
      "state.interrupts: expected none, as configured, got ";
  EXPECT_EQ(got(InterruptMode::kMsix), expected + "MSI-X");
  EXPECT_EQ(got(InterruptMode::kIntx), expected + "INTx");
  EXPECT_EQ(got(InterruptMode::kLine), expected + "a line");
  EXPECT_EQ(got(static_cast<InterruptMode>(99)), expected + "an unknown kind");
}

// A register that stores nothing holds 0; one that stores, anything.
TEST(DeviceStateTest, RegistersHoldWhatTheyStore) {
  const auto got = [](const Dialect& dialect, uint32_t mask, uint32_t status) {
    return Error({.dialect = std::string(dialect.name),
                  .registers = {.mask = mask, .status = status}},
                 dialect);
  };
  EXPECT_EQ(got(kQemu, 1, 0xffffffff), "");
  EXPECT_EQ(got(kQemuFlat, 0, 0), "");
  EXPECT_EQ(got(kQemuFlat, 1, 0),
            "state.mask: expected 0, as the dialect's register stores nothing, "
            "got 0x1");
  EXPECT_EQ(got(kQemuFlat, 0, 1),
            "state.status: expected 0, as the dialect's register stores "
            "nothing, got 0x1");
}

}  // namespace
}  // namespace ivshmem
