// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/limits.h"

#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

using List = std::vector<AllowedRings>;

std::string Error(const Limits& limits) {
  return std::string(CheckLimits(limits).message());
}

TEST(LimitsTest, NoneAreFine) {
  EXPECT_TRUE(CheckLimits({}).ok());
  // Without a rate, the burst counts for nothing.
  EXPECT_TRUE(CheckLimits({.rings = {.per_second = 0, .burst = 0}}).ok());
}

// A rate is 1..1,000,000 a second, and so is a burst.
TEST(LimitsTest, RatesHaveBounds) {
  const RateLimit greatest = {1'000'000, 1'000'000};
  EXPECT_TRUE(CheckLimits({.rings = greatest, .interrupts = greatest}).ok());
  EXPECT_EQ(Error({.rings = {.per_second = 1'000'001}}),
            "limits.rings.per_second: expected 0..1000000, got 1000001");
  EXPECT_EQ(Error({.interrupts = {.per_second = 1, .burst = 0}}),
            "limits.interrupts.burst: expected 1..1000000, got 0");
  EXPECT_EQ(Error({.rings = {.per_second = 1, .burst = 1'000'001}}),
            "limits.rings.burst: expected 1..1000000, got 1000001");
}

TEST(LimitsTest, AVectorIsOneThatCanBe) {
  EXPECT_TRUE(CheckLimits({.may_ring = {{{.vector = 2047}}}}).ok());
  EXPECT_EQ(Error({.may_ring = {{{.peer = 1}, {.vector = 2048}}}}),
            "limits.may_ring[1].vector: expected 0..2047, got 2048");
  EXPECT_EQ(Error({.may_ring = {{{.vector = 65535}, {.peer = 1}}}}),
            "limits.may_ring[0].vector: expected 0..2047, got 65535");
}

// An empty list is one that nobody is on.
TEST(RingAllowListTest, Empty) {
  EXPECT_FALSE(RingAllowList(List{}).Allows({0, 0}));
}

// What is absent may be any: no number of a peer or vector stands for that.
TEST(RingAllowListTest, WhatIsAbsentMayBeAny) {
  const RingAllowList everybody(List{AllowedRings{}});
  EXPECT_TRUE(everybody.Allows({65535, 65535}));
  const RingAllowList peer(List{{.peer = 65535}});
  EXPECT_TRUE(peer.Allows({65535, 65535}));
  EXPECT_FALSE(peer.Allows({65534, 65535}));
  const RingAllowList vector(List{{.vector = 0}});
  EXPECT_TRUE(vector.Allows({65535, 0}));
  EXPECT_FALSE(vector.Allows({0, 65535}));
  const RingAllowList one(List{{.peer = 0, .vector = 1}});
  EXPECT_TRUE(one.Allows({0, 1}));
  EXPECT_FALSE(one.Allows({1, 0}));
  EXPECT_FALSE(one.Allows({0, 0}));
}

// A list allows what one of its entries allows.
RC_GTEST_PROP(RingAllowListProperty, AllowsWhatAnEntryAllows, ()) {
  const auto number = rc::gen::element<uint16_t>(0, 1, 2, 0xffff);
  std::vector<AllowedRings> entries(*rc::gen::inRange(0, 6));
  for (AllowedRings& entry : entries) {
    if (*rc::gen::arbitrary<bool>()) entry.peer = *number;
    if (*rc::gen::arbitrary<bool>()) entry.vector = *number;
  }
  const RingAllowList list(entries);
  for (const uint16_t peer : {0, 1, 2, 3, 0xffff}) {
    for (const uint16_t vector : {0, 1, 2, 3, 0xffff}) {
      const bool allowed = std::any_of(
          entries.begin(), entries.end(), [&](const AllowedRings& entry) {
            return entry.peer.value_or(peer) == peer &&
                   entry.vector.value_or(vector) == vector;
          });
      RC_ASSERT(list.Allows({peer, vector}) == allowed);
    }
  }
}

}  // namespace
}  // namespace ivshmem
