// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_LANES_H_
#define IVSHMEM_BENCH_DEVICE_LANES_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "bench/device/operation.h"

namespace ivshmem::bench {

// kLanes threads, each on a processor of its own if there are as many.
//
// Threading: one thread.
class Lanes {
 public:
  Lanes();
  ~Lanes();
  Lanes(const Lanes&) = delete;
  Lanes& operator=(const Lanes&) = delete;

  // Each of the first `lanes` threads does `operation` `count` times, all at
  // once. Nanoseconds from when the first began until the last was done.
  double Run(Operation& operation, uint32_t count, int lanes = 1);

 private:
  void Serve(int lane);

  absl::Mutex mutex_;
  Operation* operation_ ABSL_GUARDED_BY(mutex_) = nullptr;
  uint32_t count_ ABSL_GUARDED_BY(mutex_) = 0;
  int lanes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t turn_ ABSL_GUARDED_BY(mutex_) = 0;  // -1: the end.
  int working_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t began_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t ended_ ABSL_GUARDED_BY(mutex_) = 0;
  std::atomic<int> ready_{0};  // Of the threads that begin together.
  std::array<std::thread, kLanes> threads_;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_LANES_H_
