// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Watches, work and waiting. Timers and lifetimes have tests of their own.

#include "backends/linux/event_loop.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): sigaction.
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Ge;
using ::testing::HasSubstr;
using WatchPtr = std::unique_ptr<EventLoop::Watch>;

constexpr uint32_t kIn = EPOLLIN;
constexpr uint32_t kOut = EPOLLOUT;
constexpr uint32_t kHup = EPOLLHUP;
constexpr uint32_t kErr = EPOLLERR;
constexpr absl::Duration kNow = absl::ZeroDuration();
constexpr absl::Duration kPatience = absl::Seconds(30);

// Two connected sockets.
struct Pair {
  Pair() {
    int ends[2] = {-1, -1};
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                         ends),
              0);
    near.Reset(ends[0]);
    far.Reset(ends[1]);
  }
  UniqueFd near;
  UniqueFd far;
};

class EventLoopTest : public testing::Test {
 protected:
  ~EventLoopTest() override {
    loop_.reset();
    EXPECT_EQ(OpenFds(), before_);
  }

  // Records in `told_` what a watch is told.
  WatchPtr Record(int fd, uint32_t events) {
    absl::StatusOr<WatchPtr> watch = loop_->NewWatch(
        fd, events, [this](uint32_t told) { told_.push_back(told); });
    EXPECT_TRUE(watch.ok()) << watch.status();
    return *std::move(watch);
  }

  int Dispatch() { return loop_->Dispatch(kNow); }

  // What is told in one Dispatch().
  std::vector<uint32_t> Told() {
    told_.clear();
    const int ran = Dispatch();
    EXPECT_EQ(ran, static_cast<int>(told_.size()));
    return told_;
  }

  // As an embedder's loop sees it, with an epoll of its own and with poll().
  bool LoopIsReadable() {
    pollfd entry = {.fd = loop_->fd(), .events = POLLIN};
    const bool polled = poll(&entry, 1, 0) == 1;
    const UniqueFd outer(epoll_create1(EPOLL_CLOEXEC));
    epoll_event event = {.events = EPOLLIN};
    EXPECT_EQ(epoll_ctl(outer.get(), EPOLL_CTL_ADD, loop_->fd(), &event), 0);
    EXPECT_EQ(epoll_wait(outer.get(), &event, 1, 0) == 1, polled);
    return polled;
  }

  const std::map<int, std::string> before_ = OpenFds();
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::vector<uint32_t> told_;
};

// A handler is told that its descriptor is ready, once in a Dispatch(), and in
// each one for as long as that lasts.
TEST_F(EventLoopTest, TellsWhileItLasts) {
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  const WatchPtr watch = Record(event->fd(), EPOLLIN);
  EXPECT_THAT(Told(), ElementsAre());
  event->Signal();
  event->Signal();
  EXPECT_THAT(Told(), ElementsAre(kIn));
  EXPECT_THAT(Told(), ElementsAre(kIn));
  event->Drain();
  EXPECT_THAT(Told(), ElementsAre());
}

// It is told of what it waits for and nothing else; that can change at any
// time, and 0 is for nothing.
TEST_F(EventLoopTest, TellsWhatIsWaitedFor) {
  const Pair pair;
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);  // Readable and writable now.
  const WatchPtr watch = Record(pair.near.get(), EPOLLIN | EPOLLOUT);
  EXPECT_THAT(Told(), ElementsAre(kIn | kOut));
  watch->SetEvents(EPOLLOUT);
  EXPECT_THAT(Told(), ElementsAre(kOut));
  watch->SetEvents(EPOLLIN);
  EXPECT_THAT(Told(), ElementsAre(kIn));
  watch->SetEvents(0);
  EXPECT_THAT(Told(), ElementsAre());
  EXPECT_FALSE(LoopIsReadable());
  watch->SetEvents(EPOLLIN | EPOLLOUT);
  EXPECT_THAT(Told(), ElementsAre(kIn | kOut));
}

// A watch may begin with nothing.
TEST_F(EventLoopTest, MayWaitForNothingAtFirst) {
  const Pair pair;
  const WatchPtr watch = Record(pair.near.get(), 0);
  EXPECT_THAT(Told(), ElementsAre());
  watch->SetEvents(EPOLLOUT);
  EXPECT_THAT(Told(), ElementsAre(kOut));
}

// Bits that would make epoll behave otherwise are ignored: it stays told while
// it lasts.
TEST_F(EventLoopTest, IgnoresOtherBits) {
  const Pair pair;
  ASSERT_EQ(write(pair.far.get(), "x", 1), 1);
  const WatchPtr watch =
      Record(pair.near.get(), EPOLLIN | EPOLLET | EPOLLONESHOT | EPOLLRDHUP);
  EXPECT_THAT(Told(), ElementsAre(kIn));
  EXPECT_THAT(Told(), ElementsAre(kIn));
  watch->SetEvents(EPOLLIN | EPOLLET | EPOLLONESHOT | EPOLLRDHUP);
  EXPECT_THAT(Told(), ElementsAre(kIn));
  EXPECT_THAT(Told(), ElementsAre(kIn));
}

// A closed other side is told beside what is waited for.
TEST_F(EventLoopTest, TellsHangUp) {
  Pair pair;
  const WatchPtr watch = Record(pair.near.get(), EPOLLIN);
  pair.far.Reset();
  EXPECT_THAT(Told(), ElementsAre(kIn | kHup));
  EXPECT_THAT(Told(), ElementsAre(kIn | kHup));
}

TEST_F(EventLoopTest, TellsError) {
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  UniqueFd reader(ends[0]);
  const UniqueFd writer(ends[1]);
  const WatchPtr watch = Record(writer.get(), EPOLLIN);
  reader.Reset();
  EXPECT_THAT(Told(), ElementsAre(kErr));
}

// While it waits for nothing it is not told of that either, and keeps nobody
// awake; it learns of it when it waits again.
TEST_F(EventLoopTest, SilencedHangUp) {
  Pair pair;
  const WatchPtr watch = Record(pair.near.get(), EPOLLIN);
  watch->SetEvents(0);
  pair.far.Reset();
  EXPECT_THAT(Told(), ElementsAre());
  EXPECT_FALSE(LoopIsReadable());
  watch->SetEvents(EPOLLOUT);
  EXPECT_THAT(Told(), ElementsAre(kOut | kHup));
  watch->SetEvents(0);  // It lasts.
  EXPECT_THAT(Told(), ElementsAre());
  EXPECT_FALSE(LoopIsReadable());
}

// A handler before another one in the same Dispatch() may silence that.
TEST_F(EventLoopTest, SilencedInTheSameDispatch) {
  const Pair pair;
  int ran = 0;
  WatchPtr watches[2];
  const int fds[2] = {pair.near.get(), pair.far.get()};
  for (int i = 0; i < 2; ++i) {
    watches[i] = *loop_->NewWatch(fds[i], EPOLLOUT, [&, i](uint32_t) {
      ++ran;
      watches[1 - i]->SetEvents(EPOLLIN);
    });
  }
  EXPECT_EQ(Dispatch(), 1);
  EXPECT_EQ(ran, 1);
}

// When a watch is destroyed, its handler is told nothing more, and the
// descriptor stays open: it is the caller's.
TEST_F(EventLoopTest, DestroyedWatchIsSilent) {
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  event->Signal();
  WatchPtr watch = Record(event->fd(), EPOLLIN);
  EXPECT_THAT(Told(), ElementsAre(kIn));
  watch.reset();
  EXPECT_THAT(Told(), ElementsAre());
  EXPECT_FALSE(LoopIsReadable());
  EXPECT_TRUE(event->Drain());
  watch = Record(event->fd(), EPOLLIN);  // May be watched again.
  event->Signal();
  EXPECT_THAT(Told(), ElementsAre(kIn));
}

// What cannot be watched is an error that names the descriptor, and leaves
// nothing behind.
TEST_F(EventLoopTest, RefusesWhatCannotBeWatched) {
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  const WatchPtr watch = Record(event->fd(), EPOLLIN);
  const UniqueFd file(open("/proc/self/exe", O_RDONLY | O_CLOEXEC));
  struct Case {
    int fd;
    absl::StatusCode code;
  };
  for (const auto& [fd, code] :
       {Case{1 << 20, absl::StatusCode::kFailedPrecondition},
        Case{-1, absl::StatusCode::kFailedPrecondition},
        Case{event->fd(), absl::StatusCode::kAlreadyExists},
        Case{file.get(), absl::StatusCode::kPermissionDenied},
        Case{loop_->fd(), absl::StatusCode::kInvalidArgument}}) {
    const absl::Status status =
        loop_->NewWatch(fd, EPOLLIN, [](uint32_t) { FAIL(); }).status();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(status.message(),
                HasSubstr("descriptor " + std::to_string(fd)));
  }
  event->Signal();
  EXPECT_THAT(Told(), ElementsAre(kIn));
}

// One Dispatch() runs a bounded number of handlers, and they take turns: none
// starves.
TEST_F(EventLoopTest, BoundedAndFair) {
  constexpr int kWatches = 200;
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  event->Signal();
  std::vector<UniqueFd> fds;
  std::vector<WatchPtr> watches;
  std::vector<int> ran(kWatches);
  for (int i = 0; i < kWatches; ++i) {
    fds.emplace_back(fcntl(event->fd(), F_DUPFD_CLOEXEC, 0));
    watches.push_back(*loop_->NewWatch(fds.back().get(), EPOLLIN,
                                       [&ran, i](uint32_t) { ++ran[i]; }));
  }
  constexpr int kBound = 64;
  for (int i = 0; i < (kWatches + kBound - 1) / kBound; ++i) {
    EXPECT_LE(Dispatch(), kBound);
  }
  EXPECT_THAT(ran, Each(Ge(1)));
  watches.clear();
}

// Work runs in a Dispatch() to come, never inside Run(), each piece once and in
// the order in which it was given.
TEST_F(EventLoopTest, WorkRunsInOrder) {
  std::vector<int> ran;
  for (int i = 0; i < 3; ++i) loop_->Run([&ran, i] { ran.push_back(i); });
  EXPECT_THAT(ran, ElementsAre());
  EXPECT_EQ(Dispatch(), 3);
  EXPECT_THAT(ran, ElementsAre(0, 1, 2));
  EXPECT_EQ(Dispatch(), 0);
}

// Work that gives work does not keep a Dispatch() going: what is given
// meanwhile runs in a later one, and the loop is readable for it.
TEST_F(EventLoopTest, WorkGivenByWorkRunsLater) {
  int ran = 0;
  loop_->Run([&] {
    ++ran;
    loop_->Run([&] {
      ++ran;
      loop_->Run([&] { ++ran; });
    });
  });
  for (int i = 1; i <= 3; ++i) {
    EXPECT_TRUE(LoopIsReadable());
    EXPECT_EQ(Dispatch(), 1);
    EXPECT_EQ(ran, i);
  }
  EXPECT_FALSE(LoopIsReadable());
}

// The same for what a watch's handler gives.
TEST_F(EventLoopTest, WorkGivenByHandlerRunsLater) {
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  event->Signal();
  bool worked = false;
  const WatchPtr watch = *loop_->NewWatch(event->fd(), EPOLLIN, [&](uint32_t) {
    event->Drain();
    loop_->Run([&] { worked = true; });
  });
  EXPECT_EQ(Dispatch(), 1);
  EXPECT_FALSE(worked);
  EXPECT_TRUE(LoopIsReadable());
  EXPECT_EQ(Dispatch(), 1);
  EXPECT_TRUE(worked);
}

// Work does not keep descriptors waiting, nor they it.
TEST_F(EventLoopTest, WorkAndDescriptorsInOneDispatch) {
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  event->Signal();
  const WatchPtr watch = Record(event->fd(), EPOLLIN);
  bool worked = false;
  loop_->Run([&] { worked = true; });
  EXPECT_EQ(Dispatch(), 2);
  EXPECT_TRUE(worked);
  EXPECT_THAT(told_, ElementsAre(kIn));
}

// Work that has not run when the loop goes is dropped, and what it holds goes.
TEST_F(EventLoopTest, WorkIsDroppedWithTheLoop) {
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> weak = token;
  loop_->Run([token = std::move(token)] { FAIL(); });
  EXPECT_FALSE(weak.expired());
  loop_.reset();
  EXPECT_TRUE(weak.expired());
}

// That may be what the loop gave out.
TEST_F(EventLoopTest, DroppedWorkHoldsAWatch) {
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  loop_->Run([watch = Record(event->fd(), EPOLLIN)] { FAIL(); });
  loop_.reset();
}

// It may give more work when it goes, which is dropped too, and so on.
TEST_F(EventLoopTest, DroppedWorkGivesWork) {
  struct Last {
    Last(EventLoop& loop, std::shared_ptr<int> token, int more)
        : loop(loop), token(std::move(token)), more(more) {}
    ~Last() {
      if (more == 0) return;
      loop.Run([next = std::make_unique<Last>(loop, std::move(token),
                                              more - 1)] { FAIL(); });
    }
    EventLoop& loop;
    std::shared_ptr<int> token;
    const int more;
  };
  auto token = std::make_shared<int>();
  const std::weak_ptr<int> weak = token;
  auto last = std::make_unique<Last>(*loop_, std::move(token), 5);
  loop_->Run([last = std::move(last)] { FAIL(); });
  loop_.reset();
  EXPECT_TRUE(weak.expired());
}

// fd() is readable exactly while Dispatch() has something to do, for each kind
// of thing: an embedder with an epoll of its own neither misses anything nor
// spins.
TEST_F(EventLoopTest, ReadableWhileThereIsSomethingToDo) {
  EXPECT_FALSE(LoopIsReadable());

  const std::shared_ptr<EventFd> event = *EventFd::Create();
  const WatchPtr watch =
      *loop_->NewWatch(event->fd(), EPOLLIN, [&](uint32_t) { event->Drain(); });
  EXPECT_FALSE(LoopIsReadable());
  event->Signal();
  EXPECT_TRUE(LoopIsReadable());
  EXPECT_EQ(Dispatch(), 1);
  EXPECT_FALSE(LoopIsReadable());

  loop_->Run([] {});
  loop_->Run([] {});
  EXPECT_TRUE(LoopIsReadable());
  EXPECT_EQ(Dispatch(), 2);
  EXPECT_FALSE(LoopIsReadable());

  const auto timer = *loop_->NewTimer([] {});
  EXPECT_FALSE(LoopIsReadable());
  timer->Set(absl::ZeroDuration());
  pollfd entry = {.fd = loop_->fd(), .events = POLLIN};
  EXPECT_EQ(poll(&entry, 1, 30000), 1);
  EXPECT_TRUE(LoopIsReadable());
  EXPECT_EQ(Dispatch(), 1);
  EXPECT_FALSE(LoopIsReadable());
}

// Dispatch() waits for what it was told, not less. (Milliseconds are what epoll
// counts: the rest of one counts as a whole one.)
TEST_F(EventLoopTest, Waits) {
  for (int i = 0; i < 10; ++i) {
    const auto start = std::chrono::steady_clock::now();
    EXPECT_EQ(loop_->Dispatch(absl::Microseconds(1900)), 0);
    EXPECT_GE(std::chrono::steady_clock::now() - start,
              std::chrono::microseconds(1900));
  }
}

// A wait of less than nothing is none.
TEST_F(EventLoopTest, NegativeWait) {
  EXPECT_EQ(loop_->Dispatch(absl::Seconds(-1)), 0);
  EXPECT_EQ(loop_->Dispatch(-absl::InfiniteDuration()), 0);
}

// Work from another thread ends a wait, however long that may be.
TEST_F(EventLoopTest, WorkEndsAWait) {
  for (const absl::Duration wait :
       {absl::InfiniteDuration(), absl::Hours(100000), kPatience}) {
    bool worked = false;
    std::thread other([&] { loop_->Run([&] { worked = true; }); });
    EXPECT_EQ(loop_->Dispatch(wait), 1);
    EXPECT_TRUE(worked);
    other.join();
  }
}

// So does a descriptor that another thread begins to watch.
TEST_F(EventLoopTest, NewWatchEndsAWait) {
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  event->Signal();
  WatchPtr watch;
  std::thread other([&] { watch = Record(event->fd(), EPOLLIN); });
  EXPECT_EQ(loop_->Dispatch(absl::InfiniteDuration()), 1);
  other.join();
}

// A signal ends a wait early.
TEST_F(EventLoopTest, SignalEndsAWait) {
  struct sigaction ignore = {};
  ignore.sa_handler = [](int) {};
  struct sigaction before;
  ASSERT_EQ(sigaction(SIGUSR1, &ignore, &before), 0);
  std::atomic<bool> ended = false;
  const pthread_t self = pthread_self();
  std::thread other([&] {
    while (!ended) {
      pthread_kill(self, SIGUSR1);
      std::this_thread::yield();
    }
  });
  EXPECT_EQ(loop_->Dispatch(absl::InfiniteDuration()), 0);
  ended = true;
  other.join();
  sigaction(SIGUSR1, &before, nullptr);
}

}  // namespace
}  // namespace ivshmem
