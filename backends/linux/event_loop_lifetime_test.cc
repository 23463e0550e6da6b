// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What destroys what, from where, while what runs.

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using WatchPtr = std::unique_ptr<EventLoop::Watch>;
using TimerPtr = std::unique_ptr<EventLoop::Timer>;

constexpr absl::Duration kNow = absl::ZeroDuration();
constexpr absl::Duration kPatience = absl::Seconds(30);
// How long the tests look out for what must not happen.
constexpr absl::Duration kAWhile = absl::Milliseconds(50);

class EventLoopLifetimeTest : public testing::Test {
 protected:
  EventLoopLifetimeTest() {
    event_->Signal();
    other_event_->Signal();
  }
  ~EventLoopLifetimeTest() override {
    loop_.reset();
    event_.reset();
    other_event_.reset();
    EXPECT_EQ(OpenFds(), before_);
  }

  WatchPtr NewWatch(const EventFd& event, EventLoop::Ready ready) {
    return *loop_->NewWatch(event.fd(), EPOLLIN, std::move(ready));
  }

  const std::map<int, std::string> before_ = OpenFds();
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  // Both ready.
  std::shared_ptr<EventFd> event_ = *EventFd::Create();
  std::shared_ptr<EventFd> other_event_ = *EventFd::Create();
};

// A handler may destroy its own watch. What the handler holds stays until it
// has returned, and then goes.
TEST_F(EventLoopLifetimeTest, HandlerDestroysItsOwnWatch) {
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> weak = held;
  WatchPtr watch;
  watch = NewWatch(*event_, [&watch, &weak, held = std::move(held)](uint32_t) {
    watch.reset();
    EXPECT_FALSE(weak.expired());
    ++*held;
  });
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_TRUE(weak.expired());
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
}

// A handler may destroy a watch that is ready in the same Dispatch(): that
// one's handler does not run any more, and what it holds goes at once.
TEST_F(EventLoopLifetimeTest, HandlerDestroysAnother) {
  std::array<WatchPtr, 2> watches;
  std::array<std::weak_ptr<int>, 2> weak;
  int ran = 0;
  const std::array<EventFd*, 2> events = {event_.get(), other_event_.get()};
  for (int i = 0; i < 2; ++i) {
    auto held = std::make_shared<int>();
    weak[i] = held;
    watches[i] = NewWatch(*events[i], [&, i, held](uint32_t) {
      ++ran;
      watches[1 - i].reset();
      EXPECT_TRUE(weak[1 - i].expired());
    });
  }
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_EQ(ran, 1);
}

// What a handler holds may be another watch, which goes with it.
TEST_F(EventLoopLifetimeTest, HandlerHoldsAWatch) {
  WatchPtr inner = NewWatch(*other_event_, [](uint32_t) {});
  WatchPtr outer;
  outer = NewWatch(
      *event_, [&outer, inner = std::move(inner)](uint32_t) { outer.reset(); });
  while (outer != nullptr) EXPECT_GT(loop_->Dispatch(kNow), 0);
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
}

// A watch of the same descriptor, or of a new one with the same number, is
// another watch: it is not told what the old one would have been.
TEST_F(EventLoopLifetimeTest, NumberIsUsedAgainInTheSameDispatch) {
  std::array<WatchPtr, 2> watches;
  const std::array<EventFd*, 2> events = {event_.get(), other_event_.get()};
  WatchPtr again;
  int ran_again = 0;
  for (int i = 0; i < 2; ++i) {
    watches[i] = NewWatch(*events[i], [&, i](uint32_t) {
      watches[1 - i].reset();
      const std::shared_ptr<EventFd> fresh = *EventFd::Create();
      // As if it had been closed, and opened by somebody else.
      ASSERT_GE(dup3(fresh->fd(), events[1 - i]->fd(), O_CLOEXEC), 0);
      again = NewWatch(*events[1 - i], [&](uint32_t) { ++ran_again; });
    });
  }
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_EQ(ran_again, 0);
  watches = {};
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
  event_->Signal();
  other_event_->Signal();
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_EQ(ran_again, 1);
}

// A handler may replace its own watch.
TEST_F(EventLoopLifetimeTest, HandlerReplacesItsOwnWatch) {
  WatchPtr watch;
  int ran = 0;
  watch = NewWatch(*event_, [&](uint32_t) {
    watch.reset();
    watch = NewWatch(*event_, [&](uint32_t) { ++ran; });
  });
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_EQ(ran, 0);
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_EQ(ran, 1);
}

// Work may destroy watches and timers.
TEST_F(EventLoopLifetimeTest, WorkDestroys) {
  TimerPtr timer = *loop_->NewTimer([] { FAIL(); });
  timer->Set(absl::Hours(1));
  WatchPtr watch = NewWatch(*event_, [](uint32_t) { FAIL(); });
  watch->SetEvents(0);
  loop_->Run([&] {
    watch.reset();
    timer.reset();
  });
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_EQ(loop_->Dispatch(kNow), 0);
}

// A handler may do everything else, too: nothing is locked while it runs.
TEST_F(EventLoopLifetimeTest, HandlerMayDoEverything) {
  WatchPtr inner;
  TimerPtr timer;
  const WatchPtr watch = NewWatch(*event_, [&](uint32_t) {
    if (inner != nullptr) return;
    inner = NewWatch(*other_event_, [](uint32_t) {});
    inner->SetEvents(EPOLLOUT);
    timer = *loop_->NewTimer([] {});
    timer->Set(absl::Hours(1));
    timer->Clear();
    loop_->Run([] {});
    std::thread other([&] { inner->SetEvents(EPOLLIN | EPOLLOUT); });
    other.join();
  });
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_EQ(loop_->Dispatch(kNow), 3);
}

// Closing a descriptor before its watch is the caller's error; it harms nothing
// but that watch.
TEST_F(EventLoopLifetimeTest, DescriptorClosedBeforeItsWatch) {
  UniqueFd copy(fcntl(event_->fd(), F_DUPFD_CLOEXEC, 0));
  WatchPtr watch = *loop_->NewWatch(copy.get(), EPOLLIN, [](uint32_t) {});
  copy.Reset();
  watch->SetEvents(EPOLLOUT);
  watch.reset();
  int ran = 0;
  watch = NewWatch(*other_event_, [&](uint32_t) { ++ran; });
  loop_->Dispatch(kNow);
  EXPECT_EQ(ran, 1);
}

// When the destructor returns, the handler does not run, and what it holds is
// gone: a destructor on another thread waits for a handler that does run.
TEST_F(EventLoopLifetimeTest, DestructorWaitsForTheHandler) {
  absl::Notification running;
  absl::Notification destroyed;
  auto held = std::make_shared<int>(0);
  const std::weak_ptr<int> weak = held;
  WatchPtr watch = NewWatch(*event_, [&, held = std::move(held)](uint32_t) {
    running.Notify();
    EXPECT_FALSE(destroyed.WaitForNotificationWithTimeout(kAWhile));
    ++*held;
  });
  std::thread other([&] {
    running.WaitForNotification();
    watch.reset();
    EXPECT_TRUE(weak.expired());
    destroyed.Notify();
  });
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  EXPECT_TRUE(destroyed.WaitForNotificationWithTimeout(kPatience));
  other.join();
}

// The same for a timer.
TEST_F(EventLoopLifetimeTest, TimerDestructorWaitsForTheHandler) {
  absl::Notification running;
  absl::Notification destroyed;
  TimerPtr timer = *loop_->NewTimer([&] {
    running.Notify();
    EXPECT_FALSE(destroyed.WaitForNotificationWithTimeout(kAWhile));
  });
  timer->Set(absl::ZeroDuration());
  std::thread other([&] {
    running.WaitForNotification();
    timer.reset();
    destroyed.Notify();
  });
  EXPECT_EQ(loop_->Dispatch(kPatience), 1);
  EXPECT_TRUE(destroyed.WaitForNotificationWithTimeout(kPatience));
  other.join();
}

// It waits for that handler only: while one runs, another thread may destroy
// what does not run.
TEST_F(EventLoopLifetimeTest, DestructorWaitsForNoOther) {
  WatchPtr idle = *loop_->NewWatch(other_event_->fd(), 0, [](uint32_t) {});
  const WatchPtr watch = NewWatch(*event_, [&](uint32_t) {
    absl::Notification destroyed;
    std::thread other([&] {
      idle.reset();
      destroyed.Notify();
    });
    EXPECT_TRUE(destroyed.WaitForNotificationWithTimeout(kPatience));
    other.join();
  });
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
}

// Dispatch() may move from thread to thread: the one that ran handlers before
// waits like any other.
TEST_F(EventLoopLifetimeTest, DispatchMovesToAnotherThread) {
  absl::Notification running;
  absl::Notification destroyed;
  bool first = true;
  WatchPtr watch = NewWatch(*event_, [&](uint32_t) {
    if (std::exchange(first, false)) return;
    running.Notify();
    EXPECT_FALSE(destroyed.WaitForNotificationWithTimeout(kAWhile));
  });
  EXPECT_EQ(loop_->Dispatch(kNow), 1);
  std::thread other([&] { EXPECT_EQ(loop_->Dispatch(kNow), 1); });
  running.WaitForNotification();
  watch.reset();
  destroyed.Notify();
  other.join();
}

// Other threads make and destroy watches and timers, and give work, all the
// time while one dispatches. Each handler touches what its owner frees right
// after destroying the watch.
TEST_F(EventLoopLifetimeTest, ManyThreads) {
  constexpr int kRounds = 300;
  std::atomic<int> left = 2;
  std::atomic<int> worked = 0;
  std::atomic<int> ran = 0;
  const auto body = [&](EventFd& event) {
    for (int i = 0; i < kRounds; ++i) {
      auto touched = std::make_unique<int>(0);
      WatchPtr watch =
          NewWatch(event, [&ran, touched = touched.get()](uint32_t) {
            ++*touched;
            ++ran;
          });
      TimerPtr timer =
          *loop_->NewTimer([touched = touched.get()] { ++*touched; });
      timer->Set(absl::Microseconds(i % 7));
      watch->SetEvents(EPOLLIN | EPOLLOUT);
      loop_->Run([&] { ++worked; });
      if (i % 3 == 0) std::this_thread::yield();
      watch.reset();
      timer.reset();
      *touched = -1;
      touched.reset();
    }
    --left;
  };
  std::thread first(body, std::ref(*event_));
  std::thread second(body, std::ref(*other_event_));
  const absl::Time end = absl::Now() + kPatience;
  while ((left > 0 || worked < 2 * kRounds) && absl::Now() < end) {
    loop_->Dispatch(absl::Milliseconds(1));
  }
  first.join();
  second.join();
  EXPECT_EQ(worked, 2 * kRounds);
}

}  // namespace
}  // namespace ivshmem
