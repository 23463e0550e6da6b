// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/event_loop.h"

#include <sys/eventfd.h>

#include <memory>

#include "backends/linux/event_fd.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

TEST(EventLoopTest, RunsWhatIsReady) {
  const std::unique_ptr<EventLoop> loop = *EventLoop::Create();
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  int told = 0;
  const auto watch =
      *loop->NewWatch(event->fd(), EPOLLIN, [&](uint32_t events) {
        EXPECT_EQ(events, uint32_t{EPOLLIN});
        event->Drain();
        ++told;
      });
  EXPECT_EQ(loop->Dispatch(absl::ZeroDuration()), 0);
  event->Signal();
  EXPECT_EQ(loop->Dispatch(absl::ZeroDuration()), 1);
  EXPECT_EQ(told, 1);
  loop->Run([&] { ++told; });
  EXPECT_EQ(loop->Dispatch(absl::Seconds(30)), 1);
  EXPECT_EQ(told, 2);
  const auto timer = *loop->NewTimer([&] { ++told; });
  timer->Set(absl::ZeroDuration());
  EXPECT_EQ(loop->Dispatch(absl::Seconds(30)), 1);
  EXPECT_EQ(told, 3);
}

}  // namespace
}  // namespace ivshmem
