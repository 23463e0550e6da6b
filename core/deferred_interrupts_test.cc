// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/deferred_interrupts.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>
#include <vector>

#include "core/virtual_clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::UnorderedElementsAre;

constexpr int64_t kTick = 1'000'000;  // Between two tokens.
constexpr RateLimit kLimit = {.per_second = 1000, .burst = 1};

class DeferredInterruptsTest : public ::testing::Test {
 protected:
  // All vectors that may be delivered each time the alarm goes off, in their
  // order, until it is not set any more.
  std::vector<int> DeliverAll() {
    std::vector<int> delivered;
    while (clock_.set()) {
      clock_.Advance(std::max<int64_t>(0, clock_.until()));
      EXPECT_TRUE(clock_.TakeDue());
      while (const auto vector = deferred_.Next()) delivered.push_back(*vector);
    }
    return delivered;
  }

  VirtualClock clock_;
  DeferredInterrupts deferred_{kLimit, 2048, clock_, clock_};
};

// What keeps to the rate is never kept, and needs no alarm.
TEST_F(DeferredInterruptsTest, AdmitsWhatKeepsToTheRate) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(deferred_.Admit(static_cast<Vector>(i)));
    clock_.Advance(kTick);
  }
  EXPECT_EQ(clock_.times_set(), 0);
  EXPECT_EQ(deferred_.TakeAny(), std::nullopt);
}

// What comes too soon comes when there is a token, once, however often it came.
TEST_F(DeferredInterruptsTest, KeepsWhatComesTooSoon) {
  EXPECT_TRUE(deferred_.Admit(7));
  clock_.Advance(kTick / 4);
  for (int i = 0; i < 100; ++i) EXPECT_FALSE(deferred_.Admit(7));
  EXPECT_EQ(clock_.times_set(), 1);
  EXPECT_EQ(clock_.until(), kTick * 3 / 4);
  clock_.Advance(kTick * 3 / 4);
  EXPECT_EQ(deferred_.Next(), std::optional<Vector>(7));
  EXPECT_EQ(deferred_.Next(), std::nullopt);
  clock_.Advance(kTick);
  EXPECT_TRUE(deferred_.Admit(7));
}

// An alarm that goes off too early is set again.
TEST_F(DeferredInterruptsTest, AnEarlyAlarmIsSetAgain) {
  EXPECT_TRUE(deferred_.Admit(0));
  EXPECT_FALSE(deferred_.Admit(1));
  clock_.Advance(kTick - 10);
  EXPECT_EQ(deferred_.Next(), std::nullopt);
  EXPECT_EQ(clock_.until(), 10);
  EXPECT_THAT(DeliverAll(), ElementsAre(1));
}

// While some are kept, what comes waits, too, even if there is a token: it
// would take it from who came first.
TEST_F(DeferredInterruptsTest, NobodyOvertakes) {
  EXPECT_TRUE(deferred_.Admit(0));
  EXPECT_FALSE(deferred_.Admit(2047));
  clock_.Advance(10 * kTick);
  EXPECT_FALSE(deferred_.Admit(0));
  EXPECT_THAT(DeliverAll(), UnorderedElementsAre(2047, 0));
}

// Vectors take turns, in all words and across their borders, though one of them
// is rung all the time.
TEST_F(DeferredInterruptsTest, VectorsTakeTurns) {
  EXPECT_TRUE(deferred_.Admit(0));
  for (const int vector : {2047, 64, 63, 1, 0}) {
    EXPECT_FALSE(deferred_.Admit(static_cast<Vector>(vector)));
  }
  std::vector<int> delivered;
  for (int i = 0; i < 7; ++i) {
    clock_.Advance(kTick);
    const auto vector = deferred_.Next();
    ASSERT_TRUE(vector.has_value());
    delivered.push_back(*vector);
    EXPECT_FALSE(deferred_.Admit(0));
  }
  EXPECT_THAT(delivered, ElementsAre(0, 1, 63, 64, 2047, 0, 0));
}

// A vector whose turn it was and that found no token is the next one.
TEST_F(DeferredInterruptsTest, WhoFoundNoTokenIsNext) {
  EXPECT_TRUE(deferred_.Admit(0));
  EXPECT_FALSE(deferred_.Admit(5));
  EXPECT_FALSE(deferred_.Admit(6));
  EXPECT_EQ(deferred_.Next(), std::nullopt);
  EXPECT_THAT(DeliverAll(), ElementsAre(5, 6));
}

// TakeAny() asks for no token, and leaves nothing.
TEST_F(DeferredInterruptsTest, TakesAnyWhateverTheRate) {
  EXPECT_TRUE(deferred_.Admit(0));
  EXPECT_FALSE(deferred_.Admit(1));
  EXPECT_FALSE(deferred_.Admit(300));
  EXPECT_EQ(deferred_.TakeAny(), std::optional<Vector>(1));
  EXPECT_EQ(deferred_.TakeAny(), std::optional<Vector>(300));
  EXPECT_EQ(deferred_.TakeAny(), std::nullopt);
  EXPECT_THAT(DeliverAll(), ElementsAre());
  clock_.Advance(kTick);
  EXPECT_TRUE(deferred_.Admit(0));
}

// Two vectors, one bit apart, of the least device that has them.
TEST_F(DeferredInterruptsTest, FewVectors) {
  for (const int vectors : {1, 2, 64, 65}) {
    DeferredInterrupts few(kLimit, vectors, clock_, clock_);
    const auto last = static_cast<Vector>(vectors - 1);
    EXPECT_TRUE(few.Admit(last));
    EXPECT_FALSE(few.Admit(last));
    clock_.Advance(kTick);
    EXPECT_EQ(few.Next(), std::optional<Vector>(last));
    EXPECT_EQ(few.Next(), std::nullopt);
  }
}

// Interrupts from several threads beside the alarm's: each vector is delivered
// after it last came, and never more than the rate allows in all.
TEST(DeferredInterruptsStress, NothingIsLost) {
  constexpr int kThreads = 3;
  constexpr int kEach = 20000;
  constexpr uint32_t kBurst = 10;
  VirtualClock clock;
  DeferredInterrupts deferred({.per_second = 1000, .burst = kBurst}, kThreads,
                              clock, clock);
  // What a vector's thread has said so far, and of that what was delivered.
  std::atomic<int> said[kThreads] = {};
  std::atomic<int> heard[kThreads] = {};
  std::atomic<int64_t> delivered{0};
  const auto deliver = [&](int vector) {
    ++delivered;
    const int now = said[vector];
    int before = heard[vector];
    while (before < now && !heard[vector].compare_exchange_weak(before, now)) {
    }
  };
  std::atomic<int> running{kThreads};
  std::vector<std::thread> threads;
  for (int v = 0; v < kThreads; ++v) {
    threads.emplace_back([&, v] {
      for (int i = 1; i <= kEach; ++i) {
        said[v] = i;
        if (deferred.Admit(static_cast<Vector>(v))) deliver(v);
      }
      --running;
    });
  }
  while (running > 0 || clock.set()) {
    clock.Advance(kTick / 4);
    if (!clock.TakeDue()) continue;
    while (const auto vector = deferred.Next()) deliver(*vector);
  }
  for (std::thread& thread : threads) thread.join();
  while (clock.set()) {
    clock.Advance(std::max<int64_t>(0, clock.until()));
    clock.TakeDue();
    while (const auto vector = deferred.Next()) deliver(*vector);
  }
  for (const std::atomic<int>& vector : heard) EXPECT_EQ(vector, kEach);
  EXPECT_LE(delivered, clock.Now() / kTick + kBurst);
}

}  // namespace
}  // namespace ivshmem
