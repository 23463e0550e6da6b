// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LOOP_THREAD_H_
#define IVSHMEM_BACKENDS_LINUX_LOOP_THREAD_H_

#include <atomic>
#include <memory>
#include <thread>

#include "absl/status/statusor.h"
#include "backends/linux/event_loop.h"

namespace ivshmem {

// An EventLoop and the thread that drives it, for embedders without a loop of
// their own. All signals are blocked in the thread: they stay the embedder's.
//
// Threading: as EventLoop. Destroyed from another thread than its own, after
// all that its loop gave out.
class LoopThread {
 public:
  // `name` is the thread's, at most 15 characters.
  static absl::StatusOr<std::unique_ptr<LoopThread>> Start(
      const char* name = "ivshmem");
  ~LoopThread();

  EventLoop& loop() { return *loop_; }

 private:
  explicit LoopThread(std::unique_ptr<EventLoop> loop);

  std::unique_ptr<EventLoop> loop_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LOOP_THREAD_H_
