// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LOOP_THREAD_H_
#define IVSHMEM_BACKENDS_LINUX_LOOP_THREAD_H_

#include <pthread.h>

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "backends/linux/event_loop.h"

namespace ivshmem {

// An EventLoop and the thread that drives it, for embedders without a loop of
// their own. All signals are blocked in the thread, except those that a fault
// in it raises: they stay the embedder's.
//
// Threading: as EventLoop. Destroyed from another thread than its own, after
// all that its loop gave out.
class LoopThread {
 public:
  // `name` is the thread's; its first 15 characters count.
  static absl::StatusOr<std::unique_ptr<LoopThread>> Start(
      absl::string_view name = "ivshmem");
  ~LoopThread();

  EventLoop& loop() { return *loop_; }

 private:
  explicit LoopThread(std::unique_ptr<EventLoop> loop);

  static void* Main(void* self);

  const std::unique_ptr<EventLoop> loop_;
  bool stop_ = false;  // The thread's own.
  bool started_ = false;
  pthread_t thread_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LOOP_THREAD_H_
