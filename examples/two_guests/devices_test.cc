// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/devices.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

constexpr char kRegion[] = "regions { name: 'r' size: 65536 }";
constexpr char kPc[] = "devices { name: 'pc' region: 'r' pci { slot: 3 } }";
constexpr char kBoard[] =
    "devices { name: 'board' region: 'r' flat { registers_address: 0x40000000 "
    "memory_address: 0x60000000 irq: 5 } }";

std::string ErrorOf(const std::string& text) {
  const auto devices = ReadDevices(text);
  EXPECT_FALSE(devices.ok());
  return std::string(devices.status().message());
}

TEST(DevicesTest, TheDefaultIsAConfiguration) {
  const auto devices = ReadDevices(kDefaultDevices);
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_EQ(devices->region.size, 1u << 20);
  EXPECT_EQ(devices->pc.slot, 4);
  EXPECT_EQ(devices->pc.device.vectors, 2);
}

TEST(DevicesTest, ReadsEitherOrder) {
  const auto devices = ReadDevices(absl::StrCat(kRegion, kBoard, kPc));
  ASSERT_TRUE(devices.ok()) << devices.status();
  EXPECT_EQ(devices->region.size, 65536u);
  EXPECT_EQ(devices->pc.slot, 3);
}

TEST(DevicesTest, BothDevicesAreNeeded) {
  EXPECT_EQ(ErrorOf(""), "devices: expected one pci and one flat, got 0 and 0");
  EXPECT_EQ(ErrorOf(absl::StrCat(kRegion, kPc)),
            "devices: expected one pci and one flat, got 1 and 0");
}

TEST(DevicesTest, BothShareOneRegion) {
  EXPECT_EQ(
      ErrorOf(absl::StrCat(kRegion, "regions { name: 's' size: 65536 }", kBoard,
                           "devices { name: 'pc' region: 's' pci { slot: 3 } "
                           "}")),
      "devices[1].region: expected 'r', the other device's, got 's'");
}

TEST(DevicesTest, TheBoardsMemoryMapIsFixed) {
  EXPECT_EQ(ErrorOf(absl::StrCat(kRegion, kPc,
                                 "devices { name: 'b' region: 'r' flat { "
                                 "registers_address: 0x50000000 "
                                 "memory_address: 0x60000000 irq: 5 } }")),
            "devices[1].flat.registers_address: expected 0x40000000, where the "
            "board's software looks, got 0x50000000");
  EXPECT_EQ(ErrorOf(absl::StrCat(kRegion, kPc,
                                 "devices { name: 'b' region: 'r' flat { "
                                 "registers_address: 0x40000000 "
                                 "memory_address: 0x60000000 } }")),
            "devices[1].flat.irq: expected 5, the board's line, got none");
  EXPECT_EQ(
      ErrorOf(absl::StrCat("regions { name: 'r' size: 0x8000000 }", kBoard)),
      "size of region 'r': expected at most 67108864, the board's room, "
      "got 134217728");
}

TEST(DevicesTest, TheHostBridgeHasItsSlot) {
  EXPECT_EQ(ErrorOf(absl::StrCat(kRegion,
                                 "devices { name: 'pc' region: 'r' pci {} }")),
            "devices[0].pci.slot: expected 1..31 (the host bridge has 0), got "
            "0");
}

}  // namespace
}  // namespace ivshmem::two_guests
