// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/event_fd.h"

#include <fcntl.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): pthread_kill.
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "backends/linux/open_fds.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;
using Outcome = Notifier::Outcome;

// The counter of an eventfd that does not block; 0 when it is 0.
uint64_t TakeCount(int fd) {
  uint64_t count = 0;
  return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}

class EventFdTest : public testing::Test {
 protected:
  ~EventFdTest() override {
    event_.reset();
    EXPECT_EQ(OpenFds(), before_);
  }

  const std::map<int, std::string> before_ = OpenFds();
  std::shared_ptr<EventFd> event_ = *EventFd::Create();
};

// A new one is an eventfd that has no signal, does not block and is closed on
// exec.
TEST_F(EventFdTest, Create) {
  EXPECT_EQ(OpenFds().at(event_->fd()), "anon_inode:[eventfd]");
  EXPECT_FALSE(event_->Drain());
  EXPECT_NE(fcntl(event_->fd(), F_GETFL) & O_NONBLOCK, 0);
  EXPECT_EQ(fcntl(event_->fd(), F_GETFD), FD_CLOEXEC);
}

// The handle that accelerators bind is the descriptor.
TEST_F(EventFdTest, HandleIsTheDescriptor) {
  EXPECT_EQ(event_->event().value, event_->fd());
}

// Signal adds 1 to the counter.
// Clause: ring-write
TEST_F(EventFdTest, SignalAddsOne) {
  EXPECT_EQ(event_->Signal(), Outcome::kSignalled);
  EXPECT_EQ(TakeCount(event_->fd()), 1U);
  EXPECT_EQ(event_->Signal(), Outcome::kSignalled);
  EXPECT_EQ(event_->Signal(), Outcome::kSignalled);
  EXPECT_EQ(TakeCount(event_->fd()), 2U);
}

// Drain takes all signals at once and tells whether there were any.
// Clause: ring-read
TEST_F(EventFdTest, DrainTakesAll) {
  event_->Signal();
  event_->Signal();
  EXPECT_TRUE(event_->Drain());
  EXPECT_FALSE(event_->Drain());
  EXPECT_EQ(TakeCount(event_->fd()), 0U);
}

// Whoever shares the event can clear O_NONBLOCK, and QEMU does. Drain does not
// wait (this test would not end).
TEST_F(EventFdTest, DrainNeverWaits) {
  ASSERT_EQ(fcntl(event_->fd(), F_SETFL, 0), 0);
  EXPECT_FALSE(event_->Drain());
  event_->Signal();
  EXPECT_TRUE(event_->Drain());
  EXPECT_FALSE(event_->Drain());
}

// At the counter's limit a signal says so and does not block, and what waits
// there stays; afterwards it works again.
TEST_F(EventFdTest, FullAtTheLimit) {
  constexpr uint64_t kLimit = std::numeric_limits<uint64_t>::max() - 1;
  ASSERT_EQ(eventfd_write(event_->fd(), kLimit), 0);
  EXPECT_EQ(event_->Signal(), Outcome::kFull);
  EXPECT_EQ(TakeCount(event_->fd()), kLimit);
  EXPECT_EQ(event_->Signal(), Outcome::kSignalled);
}

// A signal that the kernel refuses has failed: here because a peer that shares
// the number put something else there.
TEST_F(EventFdTest, FailsWithoutAnEventfd) {
  const int fd = event_->fd();
  const UniqueFd kept(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  const UniqueFd closed_for_writing(open("/dev/null", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(dup3(closed_for_writing.get(), fd, O_CLOEXEC), fd);
  EXPECT_EQ(event_->Signal(), Outcome::kFailed);
  EXPECT_FALSE(event_->Drain());
  ASSERT_EQ(dup3(kept.get(), fd, O_CLOEXEC), fd);
}

// What came from elsewhere becomes non-blocking and closed on exec, and keeps
// the signals that wait in it.
TEST_F(EventFdTest, AdoptMakesItNonBlocking) {
  const int number = eventfd(3, 0);
  absl::StatusOr<std::shared_ptr<EventFd>> adopted =
      EventFd::Adopt(UniqueFd(number));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ((*adopted)->fd(), number);
  EXPECT_EQ(fcntl(number, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(fcntl(number, F_GETFD), FD_CLOEXEC);
  EXPECT_EQ((*adopted)->Signal(), Outcome::kSignalled);
  EXPECT_EQ(TakeCount(number), 4U);
}

// Adopting takes nothing else from the open file's flags.
TEST_F(EventFdTest, AdoptKeepsSemaphore) {
  absl::StatusOr<std::shared_ptr<EventFd>> adopted =
      EventFd::Adopt(UniqueFd(eventfd(2, EFD_SEMAPHORE)));
  ASSERT_TRUE(adopted.ok()) << adopted.status();
  EXPECT_EQ(TakeCount((*adopted)->fd()), 1U);
  EXPECT_TRUE((*adopted)->Drain());
  EXPECT_FALSE((*adopted)->Drain());
}

// A descriptor that is no eventfd is refused, with what it is, and closed.
// Pipes and sockets could block; in files and memory a signal would overwrite
// what is there; the other nameless kinds mean something else.
TEST_F(EventFdTest, AdoptRefusesWhatIsNoEventfd) {
  int pipe_ends[2];
  ASSERT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
  const UniqueFd reader(pipe_ends[0]);
  int sockets[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
  const UniqueFd other_socket(sockets[1]);
  sigset_t signals;
  sigemptyset(&signals);
  struct Case {
    int fd;
    const char* what;
  };
  for (const auto& [fd, what] : std::vector<Case>{
           {pipe_ends[1], "pipe:"},
           {sockets[0], "socket:"},
           {open("/dev/null", O_RDWR | O_CLOEXEC), "/dev/null"},
           {open("/", O_RDONLY | O_CLOEXEC), "/"},
           {memfd_create("[eventfd]", MFD_CLOEXEC), "memfd:"},
           {memfd_create("anon_inode:[eventfd]", MFD_CLOEXEC), "memfd:"},
           {timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC), "[timerfd]"},
           {signalfd(-1, &signals, SFD_CLOEXEC), "[signalfd]"},
           {epoll_create1(EPOLL_CLOEXEC), "[eventpoll]"}}) {
    SCOPED_TRACE(what);
    ASSERT_GE(fd, 0);
    const absl::Status status = EventFd::Adopt(UniqueFd(fd)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("expected an eventfd"));
    EXPECT_THAT(status.message(), HasSubstr(what));
    EXPECT_FALSE(OpenFds().contains(fd));
  }
}

// So is one that is not open.
TEST_F(EventFdTest, AdoptRefusesWhatIsNotOpen) {
  for (const int fd : {-1, 1 << 20}) {
    const absl::Status status = EventFd::Adopt(UniqueFd(fd)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(status.message(), HasSubstr("which is not open"));
    EXPECT_THAT(status.message(), HasSubstr(std::to_string(fd)));
  }
}

// Everything may be done from any thread at once: no signal is lost.
TEST_F(EventFdTest, ManyThreads) {
  constexpr int kThreads = 4;
  constexpr int kSignals = 1000;
  std::vector<std::thread> threads;
  threads.reserve(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < kSignals; ++i) {
        EXPECT_EQ(event_->Signal(), Outcome::kSignalled);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(TakeCount(event_->fd()), uint64_t{kThreads} * kSignals);
}

// While signals are held nobody takes them; they are there afterwards.
TEST_F(EventFdTest, HeldSignalsStay) {
  event_->Signal();
  event_->HoldSignals();
  EXPECT_FALSE(event_->Drain());
  event_->Signal();
  EXPECT_FALSE(event_->Drain());
  event_->ReleaseSignals(/*sent=*/false);
  EXPECT_TRUE(event_->Drain());
}

// Signals that somebody else has sent on are forgotten.
TEST_F(EventFdTest, SentSignalsAreForgotten) {
  event_->Signal();
  event_->HoldSignals();
  event_->ReleaseSignals(/*sent=*/true);
  EXPECT_FALSE(event_->Drain());
  event_->Signal();
  EXPECT_TRUE(event_->Drain());
}

// Dropped signals, those that are there and those that come, are taken and are
// none; afterwards those that come count again.
TEST_F(EventFdTest, DroppedSignalsAreNone) {
  event_->Signal();
  event_->HoldSignals();
  event_->DropSignals(true);
  event_->ReleaseSignals(/*sent=*/false);
  EXPECT_EQ(TakeCount(event_->fd()), 0u) << "what was there";
  event_->Signal();
  EXPECT_FALSE(event_->Drain());
  EXPECT_EQ(TakeCount(event_->fd()), 0u) << "taken";
  event_->HoldSignals();
  event_->Signal();
  event_->DropSignals(false);
  event_->ReleaseSignals(/*sent=*/false);
  EXPECT_TRUE(event_->Drain()) << "came before, and stayed";
  event_->Signal();
  EXPECT_TRUE(event_->Drain());
}

// A thread that was about to take signals when they were held has taken them
// before that, or leaves them.
TEST_F(EventFdTest, HoldsAgainstATaker) {
  std::atomic<bool> stop{false};
  std::thread taker([&] {
    while (!stop) event_->Drain();
  });
  int stolen = 0;
  for (int i = 0; i < 500; ++i) {
    event_->HoldSignals();
    event_->Signal();
    std::this_thread::yield();
    if (TakeCount(event_->fd()) != 1) ++stolen;
    event_->ReleaseSignals(/*sent=*/true);
  }
  stop = true;
  taker.join();
  EXPECT_EQ(stolen, 0);
}

}  // namespace
}  // namespace ivshmem
