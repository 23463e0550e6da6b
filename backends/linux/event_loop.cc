// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/event_loop.h"

#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cassert>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <memory>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace ivshmem {
namespace {

// Descriptors that one Dispatch() looks at; the kernel lets them take turns.
constexpr int kMaxEvents = 64;

// What epoll knows the loop's own eventfd by; no source has it.
constexpr uint64_t kWake = 0;

constexpr uint32_t kSelectable = EPOLLIN | EPOLLOUT;
constexpr uint32_t kAlwaysTold = EPOLLHUP | EPOLLERR;

// What epoll is told to wait for. It tells EPOLLHUP and EPOLLERR in any case:
// with nothing to wait for only when they come, not for as long as they last.
uint32_t Wanted(uint32_t events) { return events != 0 ? events : EPOLLET; }

// Rounded up: rounded down, the last of a wait would be spent spinning.
int Milliseconds(absl::Duration wait) {
  if (wait == absl::InfiniteDuration()) return -1;
  const int64_t milliseconds =
      absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1)));
  return static_cast<int>(
      std::clamp<int64_t>(milliseconds, 0, std::numeric_limits<int>::max()));
}

}  // namespace

class EventLoop::FdWatch : public Watch {
 public:
  FdWatch(EventLoop& loop, uint64_t number) : loop_(loop), number_(number) {}
  ~FdWatch() override { loop_.Remove(number_); }

  void SetEvents(uint32_t events) override { loop_.Change(number_, events); }

 private:
  EventLoop& loop_;
  const uint64_t number_;
};

class EventLoop::FdTimer : public Timer {
 public:
  FdTimer(EventLoop& loop, uint64_t number, UniqueFd clock,
          std::shared_ptr<std::atomic<uint32_t>> armed)
      : loop_(loop),
        number_(number),
        clock_(std::move(clock)),
        armed_(std::move(armed)) {}
  ~FdTimer() override { loop_.Remove(number_); }

  void Set(absl::Duration delay) override {
    // Zero would stop the clock.
    Arm(absl::ToTimespec(std::max(delay, absl::Nanoseconds(1))));
  }
  void Clear() override { Arm({}); }

 private:
  void Arm(timespec delay) {
    const itimerspec once = {.it_interval = {}, .it_value = delay};
    armed_->fetch_add(1, std::memory_order_release);
    timerfd_settime(clock_.get(), 0, &once, nullptr);
  }

  EventLoop& loop_;
  const uint64_t number_;
  const UniqueFd clock_;
  // What was done before the timer was set is done for its handler: the kernel
  // says so, but not in terms of the language.
  const std::shared_ptr<std::atomic<uint32_t>> armed_;
};

absl::StatusOr<std::unique_ptr<EventLoop>> EventLoop::Create() {
  UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return absl::ErrnoToStatus(errno, "new epoll");
  UniqueFd wake(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake.valid()) return absl::ErrnoToStatus(errno, "new eventfd");
  epoll_event event = {.events = EPOLLIN, .data = {.u64 = kWake}};
  if (epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return absl::ErrnoToStatus(errno, "watch the loop's eventfd");
  }
  return absl::WrapUnique(new EventLoop(std::move(epoll), std::move(wake)));
}

EventLoop::EventLoop(UniqueFd epoll, UniqueFd wake)
    : epoll_(std::move(epoll)), wake_(std::move(wake)) {}

EventLoop::~EventLoop() {
  std::deque<absl::AnyInvocable<void()>> dropped;
  {
    absl::MutexLock lock(&mutex_);
    closed_ = true;  // What goes may want to queue more.
    dropped.swap(work_);
  }
  dropped.clear();  // It may own watches.
  absl::MutexLock lock(&mutex_);
  assert(sources_.empty());
}

int EventLoop::Dispatch(absl::Duration wait) {
  std::array<epoll_event, kMaxEvents> events;
  const int ready =
      epoll_wait(epoll_.get(), events.data(), kMaxEvents, Milliseconds(wait));
  size_t work = 0;
  {
    absl::MutexLock lock(&mutex_);
    work = work_.size();
  }
  int ran = 0;
  for (int i = 0; i < ready; ++i) {
    ran += RunSource(events[i].data.u64, events[i].events) ? 1 : 0;
  }
  for (; work > 0; --work, ++ran) NextWork()();
  return ran;
}

bool EventLoop::RunSource(uint64_t number, uint32_t events) {
  std::shared_ptr<Source> source;
  {
    absl::MutexLock lock(&mutex_);
    const auto it = sources_.find(number);
    if (it == sources_.end()) return false;
    // A handler before this one may have changed what is waited for.
    if (it->second->events == 0) return false;
    events &= it->second->events | kAlwaysTold;
    if (events == 0) return false;
    source = it->second;
    running_ = number;
    runner_ = std::this_thread::get_id();
  }
  const bool ran = source->ready(events);
  // What the handler holds goes before who waits for it goes on.
  source.reset();
  absl::MutexLock lock(&mutex_);
  running_ = kWake;
  return ran;
}

absl::AnyInvocable<void()> EventLoop::NextWork() {
  absl::MutexLock lock(&mutex_);
  absl::AnyInvocable<void()> next = std::move(work_.front());
  work_.pop_front();
  if (work_.empty()) {
    eventfd_t count;
    eventfd_read(wake_.get(), &count);
  }
  return next;
}

void EventLoop::Run(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (closed_) return;
  work_.push_back(std::move(work));
  if (work_.size() == 1) eventfd_write(wake_.get(), 1);
}

absl::StatusOr<std::unique_ptr<EventLoop::Watch>> EventLoop::NewWatch(
    int fd, uint32_t events, Ready ready) {
  auto number =
      Add(fd, events, [ready = std::move(ready)](uint32_t told) mutable {
        ready(told);
        return true;
      });
  if (!number.ok()) return number.status();
  return std::make_unique<FdWatch>(*this, *number);
}

absl::StatusOr<std::unique_ptr<EventLoop::Timer>> EventLoop::NewTimer(
    absl::AnyInvocable<void()> run_out) {
  UniqueFd clock(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC));
  if (!clock.valid()) return absl::ErrnoToStatus(errno, "new timer");
  const auto armed = std::make_shared<std::atomic<uint32_t>>(0);
  auto number = Add(clock.get(), EPOLLIN,
                    [fd = clock.get(), armed,
                     run_out = std::move(run_out)](uint32_t) mutable {
                      uint64_t times;
                      // Nothing to read when it was set again or cleared
                      // meanwhile.
                      if (read(fd, &times, sizeof(times)) < 0) return false;
                      armed->load(std::memory_order_acquire);
                      run_out();
                      return true;
                    });
  if (!number.ok()) return number.status();
  return std::make_unique<FdTimer>(*this, *number, std::move(clock), armed);
}

absl::StatusOr<uint64_t> EventLoop::Add(int fd, uint32_t events,
                                        Handler ready) {
  auto source = std::make_shared<Source>(
      Source{fd, events & kSelectable, std::move(ready)});
  absl::MutexLock lock(&mutex_);
  const uint64_t number = ++last_source_;
  epoll_event event = {.events = Wanted(source->events),
                       .data = {.u64 = number}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return absl::ErrnoToStatus(errno,
                               absl::StrFormat("watch descriptor %d", fd));
  }
  sources_.emplace(number, std::move(source));
  return number;
}

void EventLoop::Change(uint64_t number, uint32_t events) {
  absl::MutexLock lock(&mutex_);
  const auto it = sources_.find(number);
  // The handler changes what another thread is destroying, and waits for.
  if (it == sources_.end()) return;
  Source& source = *it->second;
  source.events = events & kSelectable;
  epoll_event event = {.events = Wanted(source.events),
                       .data = {.u64 = number}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, source.fd, &event);
}

void EventLoop::Remove(uint64_t number) {
  std::shared_ptr<Source> gone;  // Destroyed after the lock is let go.
  absl::MutexLock lock(&mutex_);
  const auto it = sources_.find(number);
  gone = std::move(it->second);
  sources_.erase(it);
  epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, gone->fd, nullptr);
  if (runner_ == std::this_thread::get_id()) return;
  const auto ended = [this, number]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return running_ != number;
  };
  mutex_.Await(absl::Condition(&ended));
}

}  // namespace ivshmem
