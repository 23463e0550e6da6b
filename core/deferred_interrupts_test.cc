// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/deferred_interrupts.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
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

// A clock that lets something happen at a moment when somebody asks for the
// time: what another thread could do there.
class InterruptedClock : public VirtualClock {
 public:
  int64_t Now() noexcept override {
    const std::function<void()> other = std::exchange(meanwhile, nullptr);
    if (other) other();
    return VirtualClock::Now();
  }
  std::function<void()> meanwhile;
};

// One who was told of the alarm finds no token; another one found nothing kept
// just before that. What is kept again is not overtaken for that.
TEST(DeferredInterruptsMoments, KeptAgainWhileAnotherFoundNothing) {
  InterruptedClock clock;
  DeferredInterrupts deferred(kLimit, 3, clock, clock);
  EXPECT_TRUE(deferred.Admit(0));
  EXPECT_FALSE(deferred.Admit(1));
  clock.meanwhile = [&] { EXPECT_EQ(deferred.Next(), std::nullopt); };
  EXPECT_EQ(deferred.Next(), std::nullopt);
  clock.Advance(kTick);
  EXPECT_FALSE(deferred.Admit(2));
  EXPECT_TRUE(clock.TakeDue());
  EXPECT_EQ(deferred.Next(), std::optional<Vector>(1));
}

// Two threads that do one thing each at the same moment, again and again.
class AtOnce {
 public:
  explicit AtOnce(std::function<void()> other)
      : other_(std::move(other)), thread_([this] { Others(); }) {}
  ~AtOnce() {
    stop_ = true;
    ++round_;
    thread_.join();
  }

  // Whether there is time for another round: on a busy machine, each takes
  // long.
  bool More() const { return std::chrono::steady_clock::now() < end_; }

  // The moments of the two differ from round to round.
  void Run(absl::FunctionRef<void()> own) {
    const int round = ++round_;
    while (ready_ != round) std::this_thread::yield();
    go_ = round;
    Wait(round % 53);
    own();
    while (done_ != round_) std::this_thread::yield();
  }

 private:
  void Others() {
    for (int round = 1;; ++round) {
      while (round_ < round) std::this_thread::yield();
      if (stop_) return;
      ready_ = round;
      // The first turns at once, as the other thread is about to go.
      for (int turn = 0; go_ < round; ++turn) {
        if (turn > 1000) std::this_thread::yield();
      }
      Wait(round % 19);
      other_();
      done_ = round;
    }
  }

  void Wait(int steps) const {
    for (; steps > 0 && !stop_; --steps) {
    }
  }

  const std::function<void()> other_;
  const std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(1);
  std::atomic<bool> stop_{false};
  std::atomic<int> round_{0};
  std::atomic<int> ready_{0};
  std::atomic<int> go_{0};
  std::atomic<int> done_{0};
  std::thread thread_;
};

// Who keeps an interrupt while somebody else finds that nothing is kept any
// more: one of the two sees to it, and who comes later does not overtake it.
TEST(DeferredInterruptsMoments, KeptWhileAnotherStopsLooking) {
  // So many that it takes a while to look at all of them.
  constexpr int kVectors = 65536;
  constexpr int kWord = 64;
  VirtualClock clock;
  DeferredInterrupts deferred(kLimit, kVectors, clock, clock);
  std::atomic<Vector> kept{0};
  AtOnce threads([&] { EXPECT_FALSE(deferred.Admit(kept)); });
  const auto expect_one = [&](Vector vector) {
    ASSERT_TRUE(clock.TakeDue());
    ASSERT_EQ(deferred.Next(), std::optional<Vector>(vector));
  };
  for (int round = 0; round < 300 && threads.More(); ++round) {
    SCOPED_TRACE(round);
    // It is in the first word, in one between or in the last, and in the one
    // that is looked at second, as the turn is in the word before.
    kept = std::array<Vector, 3>{0, kVectors / 2, kVectors - kWord}[round % 3];
    const auto before = static_cast<Vector>(kept - kWord);
    ASSERT_TRUE(deferred.Admit(before));
    ASSERT_FALSE(deferred.Admit(before));
    clock.Advance(kTick);
    ASSERT_NO_FATAL_FAILURE(expect_one(before));
    threads.Run([&] { EXPECT_EQ(deferred.Next(), std::nullopt); });
    ASSERT_TRUE(clock.set()) << "it is lost";
    clock.Advance(kTick);
    ASSERT_FALSE(deferred.Admit(before)) << "it is overtaken";
    ASSERT_NO_FATAL_FAILURE(expect_one(kept));
    ASSERT_EQ(deferred.Next(), std::nullopt);
    clock.Advance(kTick);
    ASSERT_NO_FATAL_FAILURE(expect_one(before));
    ASSERT_EQ(deferred.Next(), std::nullopt);
    clock.Advance(kTick);
  }
}

// Two who look for what is kept, two vectors of one word: each gets one.
TEST(DeferredInterruptsMoments, EachOfTwoTakesOne) {
  VirtualClock clock;
  DeferredInterrupts deferred(kLimit, 64, clock, clock);
  std::array<std::atomic<int>, 64> taken = {};
  const auto take = [&] {
    const std::optional<Vector> vector = deferred.TakeAny();
    if (vector.has_value()) ++taken[*vector];
  };
  AtOnce threads(take);
  ASSERT_TRUE(deferred.Admit(0));
  for (int round = 1; round <= 2000 && threads.More(); ++round) {
    ASSERT_FALSE(deferred.Admit(62));
    ASSERT_FALSE(deferred.Admit(63));
    threads.Run(take);
    ASSERT_EQ(taken[62], round);
    ASSERT_EQ(taken[63], round);
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
