// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_EVENT_LOOP_H_
#define IVSHMEM_BACKENDS_LINUX_EVENT_LOOP_H_

#include <sys/epoll.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/executor.h"
#include "backends/linux/unique_fd.h"
#include "backends/registration.h"
#include "backends/timers.h"

namespace ivshmem {

// Waits for descriptors and timers, and runs what they are for. An embedder
// with a loop of its own adds fd() to it and calls Dispatch(0) when that is
// readable: timers and queued work make it readable too. Others use
// LoopThread.
//
// Threading: Dispatch() from one thread at a time, all else from any thread.
// Handlers run inside Dispatch(), never under a lock, and may do everything,
// except to call Dispatch() or destroy the loop. All that the loop gave out is
// destroyed before it.
class EventLoop : public Executor, public Timers {
 public:
  // A descriptor being watched, until the object is destroyed. When the
  // destructor returns, the handler does not run, unless it is the handler that
  // destroys it. So it waits for a handler that runs on another thread, and is
  // not called under a lock that the handler takes.
  class Watch : public Registration {
   public:
    // What to wait for from now on, of EPOLLIN and EPOLLOUT; other bits are
    // ignored. While it is 0, nothing is told, EPOLLHUP and EPOLLERR neither.
    virtual void SetEvents(uint32_t events) = 0;
  };

  using Timer = ivshmem::Timer;

  // Told the descriptor's state: what it waits for of EPOLLIN and EPOLLOUT, and
  // EPOLLHUP and EPOLLERR. Told again at the next Dispatch() while that lasts
  // (level-triggered). It is the state at the beginning of the Dispatch(),
  // which a handler before this one may have changed.
  using Ready = absl::AnyInvocable<void(uint32_t events)>;

  // Errors: what the kernel says, as running out of descriptors.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Create();
  ~EventLoop() override;

  // Readable when Dispatch() has something to do.
  int fd() const { return epoll_.get(); }

  // Waits for at most `wait` until something is ready, runs what is, once each,
  // and returns how many handlers it ran. The number that one call runs is
  // bounded. Returns early when a signal came.
  int Dispatch(absl::Duration wait);

  // `fd` stays the caller's, who closes it after the watch. `events` as for
  // SetEvents(). Errors: what the kernel says, as AlreadyExists for a second
  // watch of `fd`, PermissionDenied for a file that is always ready.
  absl::StatusOr<std::unique_ptr<Watch>> NewWatch(int fd, uint32_t events,
                                                  Ready ready);

  // Errors: what the kernel says, as running out of descriptors.
  absl::StatusOr<std::unique_ptr<Timer>> NewTimer(
      absl::AnyInvocable<void()> run_out) override;

  // Executor: `work` runs in a Dispatch() to come. Work that has not run when
  // the loop is destroyed is dropped.
  void Run(absl::AnyInvocable<void()> work) override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  class FdWatch;
  class FdTimer;

  // Returns whether there was something to do.
  using Handler = absl::AnyInvocable<bool(uint32_t events)>;
  struct Source {
    int fd;
    uint32_t events;
    Handler ready;
  };

  EventLoop(UniqueFd epoll, UniqueFd wake);

  absl::StatusOr<uint64_t> Add(int fd, uint32_t events, Handler ready)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Change(uint64_t number, uint32_t events) ABSL_LOCKS_EXCLUDED(mutex_);
  void Remove(uint64_t number) ABSL_LOCKS_EXCLUDED(mutex_);

  // Returns whether its handler ran.
  bool RunSource(uint64_t number, uint32_t events) ABSL_LOCKS_EXCLUDED(mutex_);
  // Draws the next piece of work; there is one.
  absl::AnyInvocable<void()> NextWork() ABSL_LOCKS_EXCLUDED(mutex_);

  const UniqueFd epoll_;
  const UniqueFd wake_;  // An eventfd, readable while there is work.
  absl::Mutex mutex_;
  // By the number under which epoll knows them, which is never used again: an
  // event for a source that has gone finds nothing.
  absl::flat_hash_map<uint64_t, std::shared_ptr<Source>> sources_
      ABSL_GUARDED_BY(mutex_);
  uint64_t last_source_ ABSL_GUARDED_BY(mutex_) = 0;
  // The source whose handler runs, or 0, and the thread that ran one last.
  uint64_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::thread::id runner_ ABSL_GUARDED_BY(mutex_);
  std::deque<absl::AnyInvocable<void()>> work_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_EVENT_LOOP_H_
