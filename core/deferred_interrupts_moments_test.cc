// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What another thread may do between any two instructions. Here it is done on
// the same thread, which a timer's signal interrupts again and again; that may
// be, as nothing here locks or allocates, and it needs no second processor.
// Threads do it in deferred_interrupts_test.cc.

#include <sys/time.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <functional>
#include <optional>
#include <utility>

#include "core/deferred_interrupts.h"
#include "core/virtual_clock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr int64_t kTick = 1'000'000;  // Between two tokens.
constexpr RateLimit kLimit = {.per_second = 1000, .burst = 1};

// Calls `act` in a signal's handler, every 20 microseconds or so.
class Interruptions {
 public:
  explicit Interruptions(std::function<void()> act) : act_(std::move(act)) {
    acting = &act_;
    std::signal(SIGALRM, [](int) { (*acting)(); });
    Every(20);
  }
  ~Interruptions() {
    Every(0);
    std::signal(SIGALRM, SIG_IGN);
  }

  // Whether there is time for more of them: a busy machine has few.
  bool More() const { return std::chrono::steady_clock::now() < end_; }

 private:
  static void Every(int microseconds) {
    const itimerval timer = {.it_interval = {0, microseconds},
                             .it_value = {0, microseconds}};
    EXPECT_EQ(setitimer(ITIMER_REAL, &timer, nullptr), 0);
  }

  static inline const std::function<void()>* acting = nullptr;
  const std::function<void()> act_;
  const std::chrono::steady_clock::time_point end_ =
      std::chrono::steady_clock::now() + std::chrono::seconds(1);
};

// Who keeps an interrupt while somebody else finds that nothing is kept any
// more: one of the two sees to it, and who comes later does not overtake it.
TEST(DeferredInterruptsInterrupted, KeptWhileAnotherStopsLooking) {
  // So many that it takes a while to look at all of them.
  constexpr int kVectors = 65536;
  constexpr int kWord = 64;
  VirtualClock clock;
  DeferredInterrupts deferred(kLimit, kVectors, clock, clock);
  std::atomic<int> coming{-1};  // The vector that is about to; -1: none.
  std::atomic<bool> admitted{false};
  const Interruptions interruptions([&] {
    const int vector = coming.exchange(-1);
    if (vector < 0) return;
    if (deferred.Admit(static_cast<Vector>(vector))) admitted = true;
  });
  const auto expect_one = [&](Vector vector) {
    clock.Advance(kTick);
    ASSERT_TRUE(clock.TakeDue()) << "it is lost";
    ASSERT_EQ(deferred.Next(), std::optional<Vector>(vector));
  };
  for (int round = 0; round < 150 && interruptions.More(); ++round) {
    SCOPED_TRACE(round);
    // It is in the first word, in one between or in the last, and in the one
    // that is looked at second, as the turn is in the word before.
    const Vector kept =
        std::array<Vector, 3>{0, kVectors / 2, kVectors - kWord}[round % 3];
    const auto before = static_cast<Vector>(kept - kWord);
    ASSERT_TRUE(deferred.Admit(before));
    ASSERT_FALSE(deferred.Admit(before));
    ASSERT_NO_FATAL_FAILURE(expect_one(before));
    coming = kept;
    ASSERT_EQ(deferred.Next(), std::nullopt);
    while (coming >= 0) {
    }
    ASSERT_FALSE(admitted);
    clock.Advance(kTick);
    ASSERT_FALSE(deferred.Admit(before)) << "it is overtaken";
    ASSERT_NO_FATAL_FAILURE(expect_one(kept));
    ASSERT_EQ(deferred.Next(), std::nullopt);
    ASSERT_NO_FATAL_FAILURE(expect_one(before));
    ASSERT_EQ(deferred.Next(), std::nullopt);
    clock.Advance(kTick);
  }
}

// Two who look for what is kept, vectors of one word: each is had once.
TEST(DeferredInterruptsInterrupted, OneOfTwoTakesIt) {
  VirtualClock clock;
  DeferredInterrupts deferred(kLimit, 64, clock, clock);
  std::array<std::atomic<int>, 64> taken = {};
  const auto take = [&] {
    const std::optional<Vector> vector = deferred.TakeAny();
    if (vector.has_value()) ++taken[*vector];
    return vector.has_value();
  };
  ASSERT_TRUE(deferred.Admit(0));
  std::atomic<int> times{0};
  const Interruptions interruptions([&] {
    ++times;
    take();
  });
  for (int round = 1; times < 2000 && interruptions.More(); ++round) {
    for (const Vector vector : {0, 62, 63}) {
      ASSERT_FALSE(deferred.Admit(vector));
    }
    while (take()) {
    }
    for (const Vector vector : {0, 62, 63}) ASSERT_EQ(taken[vector], round);
  }
}

}  // namespace
}  // namespace ivshmem
