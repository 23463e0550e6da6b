// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/mmio/flat_block.h"

#include <array>
#include <cstdint>

#include "absl/types/span.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "core/device.h"
#include "gtest/gtest.h"

// What of the block a VMM dispatches itself. The whole device is
// device/flat_device_test's.
namespace ivshmem::mmio {
namespace {

uint32_t Read(MmioHandler& handler, uint64_t offset) {
  std::array<uint8_t, 4> bytes = {0xaa, 0xaa, 0xaa, 0xaa};
  handler.Read(offset, absl::MakeSpan(bytes));
  return static_cast<uint32_t>(LoadLittleEndian(bytes));
}

// QEMU's flat device has four registers of 4 bytes: IVPosition, the third, is
// inside of the range, and nothing is where it ends.
TEST(FlatBlockTest, RegistersAre16Bytes) {
  std::array<uint8_t, 64> memory = {};
  const auto block =
      FlatBlock::Create({.id = 7}, {memory.data(), memory.size()}, {});
  ASSERT_TRUE(block.ok()) << block.status();
  EXPECT_EQ((*block)->registers_size(), 16u);
  EXPECT_EQ(Read((*block)->registers(), kPositionOffset), 7u);
  EXPECT_EQ(Read((*block)->registers(), (*block)->registers_size()), 0u);
}

}  // namespace
}  // namespace ivshmem::mmio
