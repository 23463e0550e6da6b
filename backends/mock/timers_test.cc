// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/timers.h"

#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kSecond = absl::Seconds(1);

class TimersTest : public ::testing::Test {
 protected:
  // Writes down its number and the second at which it ran out.
  std::unique_ptr<Timer> Recording(int number) {
    return *timers_.NewTimer([this, number] {
      ran_out_.emplace_back(number, timers_.Now() / 1'000'000'000);
    });
  }

  Timers timers_;
  std::vector<std::pair<int, int64_t>> ran_out_;
};

// A timer runs out once, at its time and not before.
TEST_F(TimersTest, RunsOutOnceAtItsTime) {
  const auto timer = Recording(1);
  timers_.Advance(kSecond);
  timer->Set(2 * kSecond);
  EXPECT_EQ(timers_.pending(), 1);
  timers_.Advance(2 * kSecond - absl::Nanoseconds(1));
  EXPECT_THAT(ran_out_, IsEmpty());
  timers_.Advance(absl::Nanoseconds(1));
  EXPECT_THAT(ran_out_, ElementsAre(std::pair(1, 3)));
  timers_.Advance(10 * kSecond);
  EXPECT_EQ(ran_out_.size(), 1u);
  EXPECT_EQ(timers_.Now(), 13'000'000'000);
}

// Timers run out in the order of their times, those set meanwhile included.
TEST_F(TimersTest, RunOutInOrder) {
  const auto late = Recording(1);
  const auto early = Recording(2);
  const auto starts_another = *timers_.NewTimer([&] { early->Set(kSecond); });
  late->Set(3 * kSecond);
  starts_another->Set(kSecond);
  timers_.Advance(5 * kSecond);
  EXPECT_THAT(ran_out_, ElementsAre(std::pair(2, 2), std::pair(1, 3)));
}

// A timer that is set again, cleared or gone does not run out.
TEST_F(TimersTest, SetAgainClearedGone) {
  auto timer = Recording(1);
  timer->Set(kSecond);
  timer->Set(3 * kSecond);
  timers_.Advance(2 * kSecond);
  EXPECT_THAT(ran_out_, IsEmpty());
  timer->Clear();
  EXPECT_EQ(timers_.pending(), 0);
  timers_.Advance(10 * kSecond);
  EXPECT_THAT(ran_out_, IsEmpty());
  timer->Set(kSecond);
  timer = nullptr;
  timers_.Advance(10 * kSecond);
  EXPECT_THAT(ran_out_, IsEmpty());
}

// What a timer runs may destroy it, and what it holds lives until that ends.
TEST_F(TimersTest, DestroyedByWhatItRuns) {
  std::unique_ptr<Timer> timer;
  auto held = std::make_shared<int>(7);
  int seen = 0;
  timer = *timers_.NewTimer([&timer, &seen, held] {
    timer = nullptr;
    seen = *held;
  });
  timer->Set(kSecond);
  timers_.Advance(kSecond);
  EXPECT_EQ(seen, 7);
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace ivshmem::mock
