// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/bar_window.h"

#include <atomic>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

namespace ivshmem::pci {
namespace {

constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

class BarWindowTest : public ::testing::Test {
 protected:
  std::atomic<uint32_t> decoded_{1 << 2};
  FakeBar target_;
  BarWindow window_{2, 0x100, decoded_, &target_};
};

TEST_F(BarWindowTest, HandsOnWhatLiesInside) {
  Write<uint32_t>(window_, 0xfc, 0x11223344);
  EXPECT_EQ(Read<uint32_t>(window_, 0xfc), 0x11223344u);
  EXPECT_EQ(Read<uint64_t>(window_, 0xf8), 0x1122334400000000u);
  EXPECT_EQ(target_.writes, 1);
  EXPECT_EQ(target_.reads, 2);
}

// "A function does not respond while it is not decoded": a read of nobody is
// ones.
TEST_F(BarWindowTest, DoesNotAnswerWhileNotDecoded) {
  decoded_ = ~(1u << 2);
  Write<uint32_t>(window_, 0, 1);
  EXPECT_EQ(Read<uint32_t>(window_, 0), 0xffffffffu);
  EXPECT_EQ(target_.writes + target_.reads, 0);
  decoded_ = 1 << 2;
  EXPECT_EQ(Read<uint32_t>(window_, 0), 0u);
}

// An access counts as a whole, also where its offset and size would overflow.
TEST_F(BarWindowTest, DoesNotAnswerWhatReachesOutside) {
  for (uint64_t offset : {uint64_t{0xfd}, uint64_t{0xff}, uint64_t{0x100},
                          uint64_t{0x1000}, kMax64 - 3, kMax64}) {
    Write<uint32_t>(window_, offset, 1);
    EXPECT_EQ(Read<uint32_t>(window_, offset), 0xffffffffu) << offset;
  }
  std::vector<uint8_t> large(0x101);
  window_.Read(0, absl::MakeSpan(large));
  EXPECT_EQ(large, std::vector<uint8_t>(0x101, 0xff));
  EXPECT_EQ(target_.writes + target_.reads, 0);
}

TEST_F(BarWindowTest, ReadsZerosWithoutATarget) {
  BarWindow window(2, 0x100, decoded_, nullptr);
  Write<uint32_t>(window, 0, 1);
  EXPECT_EQ(Read<uint32_t>(window, 0), 0u);
  EXPECT_EQ(Read<uint8_t>(window, 0x100), 0xffu);
}

TEST(BarWindowOfNoBarTest, NeverAnswers) {
  BarWindow window;
  Write<uint32_t>(window, 0, 1);
  EXPECT_EQ(Read<uint64_t>(window, 0), kMax64);
}

}  // namespace
}  // namespace ivshmem::pci
