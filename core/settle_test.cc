// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/settle.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

TEST(SettlerTest, AppliesOnce) {
  Settler settler;
  int applied = 0;
  settler.Kick([&] { ++applied; });
  EXPECT_EQ(applied, 1);
  settler.Kick([&] { ++applied; });
  EXPECT_EQ(applied, 2);
}

// A change made by what is applied makes one more round, not a deeper one.
TEST(SettlerTest, KickFromInsideMakesOneMoreRound) {
  Settler settler;
  int rounds = 0;
  int depth = 0;
  settler.Kick([&] {
    EXPECT_EQ(++depth, 1);
    EXPECT_FALSE(settler.stale());
    if (++rounds < 3) {
      settler.Kick(
          [] { FAIL() << "the round under way is to go round again"; });
      EXPECT_TRUE(settler.stale());
    }
    --depth;
  });
  EXPECT_EQ(rounds, 3);
}

// Whatever the order in which threads change the state, what was applied last
// is its last value, and never two apply at once.
TEST(SettlerTest, LastStateWins) {
  for (int run = 0; run < 50; ++run) {
    Settler settler;
    std::atomic<int> state{0};
    std::atomic<int> appliers{0};
    std::atomic<bool> overlapped{false};
    int outside = -1;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 100; ++i) {
          state = 1000 * t + i;
          settler.Kick([&] {
            if (++appliers != 1) overlapped = true;
            outside = state;
            --appliers;
          });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(overlapped);
    EXPECT_EQ(outside, state);
  }
}

}  // namespace
}  // namespace ivshmem
