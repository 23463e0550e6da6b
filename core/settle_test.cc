// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/settle.h"

#include <array>
#include <atomic>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

TEST(SettlerTest, AppliesOnceForEachKickOnItsOwn) {
  Settler settler;
  int applied = 0;
  settler.Kick([&] { ++applied; });
  EXPECT_EQ(applied, 1);
  settler.Kick([&] { ++applied; });
  EXPECT_EQ(applied, 2);
}

// "So it does when `apply` itself leads back here": a change made by what is
// applied makes one more round, not a deeper one.
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

// "Goes round once for all kicks that came meanwhile."
TEST(SettlerTest, ManyKicksFromInsideMakeOneRound) {
  Settler settler;
  int rounds = 0;
  settler.Kick([&] {
    if (++rounds > 1) return;
    for (int i = 0; i < 100; ++i) settler.Kick([] { FAIL(); });
  });
  EXPECT_EQ(rounds, 2);
}

// A line that a guest's handler turns off as soon as it goes on, re-entrantly:
// it ends where the state is, having been on in between.
TEST(SettlerTest, AStateThatChangesItself) {
  Settler settler;
  int state = 3;
  std::vector<int> applied;
  settler.Kick([&] {
    applied.push_back(state);
    if (state > 0) {
      --state;
      settler.Kick([] { FAIL(); });
    }
  });
  EXPECT_EQ(applied, (std::vector<int>{3, 2, 1, 0}));
}

// "If another thread is applying already, that thread is made to go round once
// more and Kick() returns at once": with the newest state, and told by stale().
TEST(SettlerTest, AnotherThreadsKickReturnsAtOnce) {
  Settler settler;
  std::atomic<int> state{1};
  std::vector<int> applied;
  absl::Notification applying;
  absl::Notification kicked;
  std::thread applier([&] {
    settler.Kick([&] {
      applied.push_back(state);
      if (applied.size() > 1) return;
      applying.Notify();
      kicked.WaitForNotification();
      EXPECT_TRUE(settler.stale());
    });
  });
  applying.WaitForNotification();
  state = 2;
  settler.Kick([] { FAIL() << "two appliers at once"; });
  kicked.Notify();
  applier.join();
  EXPECT_EQ(applied, (std::vector<int>{1, 2}));
}

// "When the last Kick() has returned and no other is under way, what was
// applied last is the state's last value", and never do two apply at once:
// `outside` has no guard, and TSan looks on.
TEST(SettlerTest, LastStateWins) {
  for (int run = 0; run < 100; ++run) {
    Settler settler;
    std::atomic<int> state{0};
    int outside = -1;
    int rounds = 0;
    std::vector<std::thread> threads;
    for (int t = 0; t < 2 + run % 2; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 100; ++i) {
          state = 1000 * t + i;
          settler.Kick([&] {
            ++rounds;
            outside = state;
          });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(outside, state);
    EXPECT_GE(rounds, 1);
    EXPECT_LE(rounds, 300);
  }
}

// Each thread's own kick is settled when it returns, or by who applies: nobody
// sees, after joining, a part of the state that was left behind.
TEST(SettlerTest, EveryPartOfTheStateIsApplied) {
  for (int run = 0; run < 100; ++run) {
    Settler settler;
    std::array<std::atomic<int>, 2> state = {};
    std::array<int, 2> outside = {};
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 1; i <= 50; ++i) {
          state[t].store(i, std::memory_order_relaxed);
          settler.Kick([&] {
            for (int part = 0; part < 2; ++part) {
              outside[part] = state[part].load(std::memory_order_relaxed);
            }
          });
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(outside, (std::array<int, 2>{50, 50}));
  }
}

}  // namespace
}  // namespace ivshmem
