// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/loop_thread.h"

#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigset_t.

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "backends/linux/descriptor_limit.h"
#include "backends/linux/living_threads.h"
#include "backends/linux/open_fds.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

// Runs `what` on the thread and waits for it.
void OnThread(LoopThread& thread, const std::function<void()>& what) {
  absl::Notification ran;
  thread.loop().Run([&] {
    what();
    ran.Notify();
  });
  ASSERT_TRUE(ran.WaitForNotificationWithTimeout(kPatience));
}

// The signals that the calling thread blocks.
sigset_t Blocked() {
  sigset_t blocked;
  pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  return blocked;
}

// The thread drives its loop: work runs on it, again and again.
TEST(LoopThreadTest, RunsTheLoop) {
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
  pthread_t first = pthread_self();
  OnThread(*thread, [&] { first = pthread_self(); });
  EXPECT_FALSE(pthread_equal(first, pthread_self()));
  OnThread(*thread, [&] { EXPECT_TRUE(pthread_equal(first, pthread_self())); });
}

// Its timers run out without anybody's help.
TEST(LoopThreadTest, RunsTimers) {
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
  absl::Notification ran;
  const auto timer = *thread->loop().NewTimer([&] { ran.Notify(); });
  timer->Set(absl::Milliseconds(1));
  EXPECT_TRUE(ran.WaitForNotificationWithTimeout(kPatience));
}

// The thread has the name that it was given, of which 15 characters count.
TEST(LoopThreadTest, Name) {
  struct Case {
    const char* given;
    const char* expected;
  };
  for (const auto& [given, expected] :
       {Case{"vmm-doorbell", "vmm-doorbell"},
        Case{"fifteen-letters", "fifteen-letters"},
        Case{"more-than-fifteen-letters", "more-than-fifte"}}) {
    const std::unique_ptr<LoopThread> thread = *LoopThread::Start(given);
    OnThread(*thread, [expected = expected] {
      char name[64];
      ASSERT_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
      EXPECT_STREQ(name, expected);
    });
  }
}

TEST(LoopThreadTest, NameByDefault) {
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
  OnThread(*thread, [] {
    char name[64];
    ASSERT_EQ(pthread_getname_np(pthread_self(), name, sizeof(name)), 0);
    EXPECT_STREQ(name, "ivshmem");
  });
}

// The thread blocks all signals, except those that a fault of its own raises;
// the thread that starts it blocks what it did before.
TEST(LoopThreadTest, Signals) {
  sigset_t before;
  sigemptyset(&before);
  sigaddset(&before, SIGUSR2);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
  const sigset_t after = Blocked();
  sigset_t blocked;
  sigemptyset(&blocked);
  OnThread(*thread, [&] { blocked = Blocked(); });
  for (const int signal : {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2,
                           SIGALRM, SIGCHLD, SIGPIPE, SIGIO, SIGWINCH}) {
    EXPECT_EQ(sigismember(&blocked, signal), 1) << signal;
    EXPECT_EQ(sigismember(&after, signal), sigismember(&before, signal));
  }
  for (const int signal : {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP}) {
    EXPECT_EQ(sigismember(&blocked, signal), 0) << signal;
  }
}

// The destructor ends the thread and waits for it; work that was given before
// has run by then.
TEST(LoopThreadTest, DestructorJoins) {
  const auto fds = OpenFds();
  const int threads = LivingThreads();
  int ran = 0;
  {
    const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
    EXPECT_EQ(LivingThreads(), threads + 1);
    for (int i = 0; i < 1000; ++i) {
      thread->loop().Run([&] { ++ran; });
    }
  }
  EXPECT_EQ(ran, 1000);
  EXPECT_EQ(LivingThreads(), threads);
  EXPECT_EQ(OpenFds(), fds);
}

// Work that gives work for ever does not keep the destructor from ending it.
TEST(LoopThreadTest, DestructorEndsEndlessWork) {
  std::function<void()> endless;
  const std::unique_ptr<LoopThread> thread = *LoopThread::Start();
  endless = [&] { thread->loop().Run(endless); };
  thread->loop().Run(endless);
}

// A loop that cannot be made, here for want of descriptors, is an error, and
// nothing is left of it.
TEST(LoopThreadTest, NoDescriptors) {
  const auto fds = OpenFds();
  for (const int room : {0, 1}) {  // A loop needs two.
    const DescriptorLimit limit(room);
    const absl::Status status = LoopThread::Start().status();
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  }
  EXPECT_EQ(OpenFds(), fds);
}

}  // namespace
}  // namespace ivshmem
