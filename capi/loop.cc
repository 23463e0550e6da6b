// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/loop.h"

#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "capi/errors.h"
#include "capi/milliseconds.h"

using namespace ivshmem;        // NOLINT: this file is the interface.
using namespace ivshmem::capi;  // NOLINT

namespace {

int NoLoop() { return Fail(EINVAL, "loop: expected one, got null"); }

}  // namespace

int ivshmem_loop_create(ivshmem_loop** loop) {
  return Guard([&] {
    if (loop == nullptr) return NoLoop();
    absl::StatusOr<std::unique_ptr<EventLoop>> own = EventLoop::Create();
    if (!own.ok()) return Fail(own.status());
    auto made = std::make_unique<ivshmem_loop>();
    made->own = *std::move(own);
    *loop = made.release();
    return 0;
  });
}

int ivshmem_loop_start(const char* name, ivshmem_loop** loop) {
  return Guard([&] {
    if (loop == nullptr) return NoLoop();
    auto thread = LoopThread::Start(name == nullptr ? "ivshmem" : name);
    if (!thread.ok()) return Fail(thread.status());
    auto made = std::make_unique<ivshmem_loop>();
    made->thread = *std::move(thread);
    absl::Notification known;
    made->events().Run([&] {
      made->thread_id = std::this_thread::get_id();
      known.Notify();
    });
    known.WaitForNotification();
    *loop = made.release();
    return 0;
  });
}

int ivshmem_loop_fd(const ivshmem_loop* loop) {
  if (loop == nullptr) return Guard(NoLoop);
  return loop->events().fd();
}

int ivshmem_loop_dispatch(ivshmem_loop* loop, int64_t timeout_ms) {
  return Guard([&] {
    if (loop == nullptr) return NoLoop();
    if (loop->inside()) {
      return Fail(EDEADLK,
                  "loop: expected to be outside of it, got a call "
                  "from inside");
    }
    if (loop->thread != nullptr) {
      return Fail(EBUSY,
                  "loop: expected one without a thread of its own, got "
                  "one with");
    }
    const Inside inside(loop);
    return loop->events().Dispatch(Milliseconds(timeout_ms));
  });
}

int ivshmem_loop_destroy(ivshmem_loop* loop) {
  return Guard([&] {
    if (loop == nullptr) return 0;
    if (loop->in_use.any()) {
      return Fail(EBUSY,
                  "loop: expected one that no device or link uses, got "
                  "one in use");
    }
    if (loop->inside()) {
      return Fail(EDEADLK,
                  "loop: expected to be outside of it, got a call "
                  "from inside");
    }
    delete loop;
    return 0;
  });
}
