// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/loop_thread.h"

#include <memory>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

TEST(LoopThreadTest, RunsTheLoop) {
  absl::Notification ran;
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
  thread->loop().Run([&] { ran.Notify(); });
  EXPECT_TRUE(ran.WaitForNotificationWithTimeout(absl::Seconds(30)));
}

}  // namespace
}  // namespace ivshmem
