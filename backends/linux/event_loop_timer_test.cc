// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <poll.h>

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/open_fds.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::Each;
using TimerPtr = std::unique_ptr<EventLoop::Timer>;

constexpr absl::Duration kNow = absl::ZeroDuration();
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr absl::Duration kLong = absl::Hours(1000);

class EventLoopTimerTest : public testing::Test {
 protected:
  ~EventLoopTimerTest() override {
    loop_.reset();
    EXPECT_EQ(OpenFds(), before_);
  }

  TimerPtr CountingTimer() {
    return *loop_->NewTimer([this] { ++ran_out_; });
  }

  // Until the loop is readable: here, because a timer ran out.
  bool LoopBecomesReadable() {
    pollfd entry = {.fd = loop_->fd(), .events = POLLIN};
    return poll(&entry, 1, 30000) == 1;
  }

  // Waits for all timers; returns how many there are.
  static int TimersThatRanOut() {
    int ran_out = 0;
    for (const auto& [fd, what] : OpenFds()) {
      pollfd entry = {.fd = fd, .events = POLLIN};
      if (what != "anon_inode:[timerfd]") continue;
      ran_out += poll(&entry, 1, 30000) == 1 ? 1 : 0;
    }
    return ran_out;
  }

  const std::map<int, std::string> before_ = OpenFds();
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  int ran_out_ = 0;
};

// A timer that was not set does not run out.
TEST_F(EventLoopTimerTest, NotSet) {
  const TimerPtr timer = CountingTimer();
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(2)), 0);
}

// All that the loop opens is closed on exec.
TEST_F(EventLoopTimerTest, ClosedOnExec) {
  const TimerPtr timer = CountingTimer();
  EXPECT_EQ(OpenFds().size(), before_.size() + 3);
  for (const auto& [fd, what] : OpenFds()) {
    if (before_.contains(fd)) continue;
    EXPECT_EQ(fcntl(fd, F_GETFD), FD_CLOEXEC) << what;
  }
}

// One that was set runs out once, not before the delay has passed.
TEST_F(EventLoopTimerTest, RunsOutOnce) {
  const TimerPtr timer = CountingTimer();
  const auto start = std::chrono::steady_clock::now();
  timer->Set(absl::Milliseconds(20));
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
  EXPECT_EQ(loop_->Dispatch(kPatience), 1);
  EXPECT_GE(std::chrono::steady_clock::now() - start,
            std::chrono::milliseconds(20));
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(30)), 0);
  EXPECT_EQ(ran_out_, 1);
}

// It runs out once for each time that it was set.
TEST_F(EventLoopTimerTest, SetAgainAfterItRanOut) {
  const TimerPtr timer = CountingTimer();
  for (int i = 1; i <= 3; ++i) {
    timer->Set(absl::Milliseconds(1));
    EXPECT_EQ(loop_->Dispatch(kPatience), 1);
    EXPECT_EQ(ran_out_, i);
  }
}

// A delay that is no delay runs out at once.
TEST_F(EventLoopTimerTest, NoDelay) {
  const TimerPtr timer = CountingTimer();
  for (const absl::Duration delay :
       {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Seconds(-5),
        -absl::InfiniteDuration(), absl::Nanoseconds(1) / 4}) {
    ran_out_ = 0;
    timer->Set(delay);
    EXPECT_EQ(loop_->Dispatch(kPatience), 1) << absl::FormatDuration(delay);
    EXPECT_EQ(ran_out_, 1);
  }
}

// One without end never does, and does not keep the loop awake.
TEST_F(EventLoopTimerTest, EndlessDelay) {
  const TimerPtr timer = CountingTimer();
  for (const absl::Duration delay :
       {absl::InfiniteDuration(), absl::Hours(24 * 365 * 1000)}) {
    timer->Set(absl::ZeroDuration());
    timer->Set(delay);  // Instead.
    EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(5)), 0);
  }
}

// Setting replaces what was set before: later, or sooner.
TEST_F(EventLoopTimerTest, SetReplaces) {
  const TimerPtr timer = CountingTimer();
  timer->Set(absl::ZeroDuration());
  timer->Set(kLong);
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(5)), 0);
  timer->Set(absl::ZeroDuration());
  EXPECT_EQ(loop_->Dispatch(kPatience), 1);
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(5)), 0);
}

// Also what has run out already, where the loop has not told it yet.
TEST_F(EventLoopTimerTest, SetReplacesWhatRanOut) {
  const TimerPtr timer = CountingTimer();
  timer->Set(absl::ZeroDuration());
  ASSERT_TRUE(LoopBecomesReadable());
  timer->Set(kLong);
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
  timer->Set(absl::ZeroDuration());
  EXPECT_EQ(loop_->Dispatch(kPatience), 1);
}

// A cleared timer does not run out; nor one that has, when it was not told.
TEST_F(EventLoopTimerTest, Clear) {
  const TimerPtr timer = CountingTimer();
  timer->Set(absl::Milliseconds(1));
  timer->Clear();
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(5)), 0);
  timer->Set(absl::ZeroDuration());
  ASSERT_TRUE(LoopBecomesReadable());
  timer->Clear();
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
  timer->Clear();  // Nothing to clear.
  timer->Set(absl::ZeroDuration());
  EXPECT_EQ(loop_->Dispatch(kPatience), 1);
}

// Of two that ran out together, the one whose handler runs first may set or
// clear the other, which then does not run out in that Dispatch().
TEST_F(EventLoopTimerTest, ChangedInTheSameDispatch) {
  for (const bool clear : {false, true}) {
    SCOPED_TRACE(clear);
    TimerPtr timers[2];
    int ran = 0;
    for (int i = 0; i < 2; ++i) {
      timers[i] = *loop_->NewTimer([&, i] {
        ++ran;
        if (clear) {
          timers[1 - i]->Clear();
        } else {
          timers[1 - i]->Set(kLong);
        }
      });
    }
    for (const TimerPtr& timer : timers) timer->Set(absl::ZeroDuration());
    ASSERT_EQ(TimersThatRanOut(), 2);
    EXPECT_EQ(loop_->Dispatch(kNow), 1);
    EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(2)), 0);
    EXPECT_EQ(ran, 1);
  }
}

// A handler may set its own timer, which then runs out again later.
TEST_F(EventLoopTimerTest, SetInItsHandler) {
  TimerPtr timer;
  int ran = 0;
  timer = *loop_->NewTimer([&] {
    if (++ran < 3) timer->Set(absl::ZeroDuration());
  });
  timer->Set(absl::ZeroDuration());
  for (int i = 1; i <= 3; ++i) {
    EXPECT_EQ(loop_->Dispatch(kPatience), 1);
    EXPECT_EQ(ran, i);
  }
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(2)), 0);
}

// A destroyed timer does not run out, and takes its descriptor with it.
TEST_F(EventLoopTimerTest, Destroyed) {
  const auto before = OpenFds();
  TimerPtr timer = CountingTimer();
  EXPECT_EQ(OpenFds().size(), before.size() + 1);
  timer->Set(absl::ZeroDuration());
  ASSERT_TRUE(LoopBecomesReadable());
  timer.reset();
  EXPECT_EQ(OpenFds(), before);
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
  EXPECT_EQ(ran_out_, 0);
}

// Also by its own handler.
TEST_F(EventLoopTimerTest, DestroyedInItsHandler) {
  const auto before = OpenFds();
  TimerPtr timer;
  int ran = 0;
  timer = *loop_->NewTimer([&] {
    timer->Set(absl::ZeroDuration());
    timer.reset();
    ++ran;
  });
  timer->Set(absl::ZeroDuration());
  EXPECT_EQ(loop_->Dispatch(kPatience), 1);
  EXPECT_EQ(ran, 1);
  EXPECT_EQ(OpenFds(), before);
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
}

// Several timers are independent of each other.
TEST_F(EventLoopTimerTest, Several) {
  constexpr int kTimers = 100;
  std::vector<int> ran(kTimers);
  std::vector<TimerPtr> timers;
  for (int i = 0; i < kTimers; ++i) {
    timers.push_back(*loop_->NewTimer([&ran, i] { ++ran[i]; }));
    timers.back()->Set(absl::Microseconds(100 * (kTimers - i)));
  }
  const TimerPtr never = CountingTimer();
  never->Set(kLong);
  int all = 0;
  while (all < kTimers) {
    const int some = loop_->Dispatch(kPatience);
    ASSERT_GT(some, 0);
    all += some;
  }
  EXPECT_THAT(ran, Each(1));
  EXPECT_EQ(ran_out_, 0);
}

}  // namespace
}  // namespace ivshmem
