// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/ratio.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::bench {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

Ratio Of(std::initializer_list<Round> rounds) {
  Ratio ratio;
  for (const Round& round : rounds) ratio.Add(round);
  return ratio;
}

TEST(Median, IsTheMiddleValueInWhateverOrder) {
  EXPECT_EQ(Median({3}), 3);
  EXPECT_EQ(Median({9, 1, 2}), 2);
  EXPECT_EQ(Median({9, 1, 2, 4}), 3);
}

// A ratio is formed within each round: a machine that becomes twice as slow
// half way does not change it.
TEST(RatioTest, IsTheMedianOfEachRoundsRatio) {
  const Ratio ratio = Of({{.bare = 100, .device = 110, .bare_again = 100},
                          {.bare = 200, .device = 220, .bare_again = 200},
                          {.bare = 400, .device = 440, .bare_again = 400},
                          {.bare = 100, .device = 900, .bare_again = 100}});
  EXPECT_DOUBLE_EQ(ratio.ratio(), 1.1);
  EXPECT_DOUBLE_EQ(ratio.control(), 1);
  EXPECT_EQ(ratio.rounds(), 4);
}

// What two copies of the hand-written program differ by, either way, is allowed
// for.
TEST(RatioTest, AllowsForWhatTheCopiesDifferBy) {
  const Ratio slow = Of({{.bare = 100, .device = 104, .bare_again = 103}});
  EXPECT_NEAR(slow.allowance(), 0.03, 1e-9);
  EXPECT_TRUE(slow.Meets(1.02));
  EXPECT_FALSE(slow.Meets(1.00));
  const Ratio fast = Of({{.bare = 100, .device = 104, .bare_again = 97}});
  EXPECT_NEAR(fast.allowance(), 0.03, 1e-9);
  EXPECT_TRUE(fast.Meets(1.02));
  const Ratio quiet = Of({{.bare = 100, .device = 104, .bare_again = 100}});
  EXPECT_FALSE(quiet.Meets(1.02));
}

TEST(RatioTest, SaysAllInOneLine) {
  const Ratio met = Of({{.bare = 2000, .device = 2020, .bare_again = 2010}});
  EXPECT_EQ(met.Summary("kvm ioeventfd", 1.02),
            "kvm ioeventfd: ratio 1.010, noise 0.005, target 1.02: met (median "
            "of 1; 2.02 us, baseline 2.00 us)");
  EXPECT_THAT(met.Summary("kvm x", 1.0),
              AllOf(HasSubstr("target 1.00: MISSED"), HasSubstr("kvm x:")));
}

}  // namespace
}  // namespace ivshmem::bench
