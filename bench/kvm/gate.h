// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_GATE_H_
#define IVSHMEM_BENCH_KVM_GATE_H_

#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "bench/kvm/guest/mailbox.h"
#include "bench/measured.h"

namespace ivshmem::bench {

// One piece of work for the guest; see mailbox.h.
struct Work {
  BenchOperation operation = kBenchHalt;
  uint32_t address = 0;
  uint32_t value = 0;
  uint32_t count = 0;
};

// Where a guest waits for work. The time of a piece of work is taken on the
// vCPU's thread, from the guest's going to its coming back, so that it does not
// contain how long other threads take to wake up.
//
// Threading: Next() and Fail() are the vCPU's, the rest one other thread's.
class Gate {
 public:
  // `ram` is the guest's and outlives the object. The vCPU's thread goes to
  // processor `cpu`.
  Gate(uint8_t* ram, int cpu);

  // The guest reads kWorkPort: waits until there is work and returns the
  // operation. After Close() that is kBenchHalt, at once.
  BenchOperation Next() ABSL_LOCKS_EXCLUDED(mutex_);

  // The guest does not run any more, because of `why`.
  void Fail(const absl::Status& why) ABSL_LOCKS_EXCLUDED(mutex_);

  // The guest, which waits for work, begins with `work`.
  void Start(const Work& work) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits until the guest waits for work, and returns how long the last took.
  // Before that, for the first time, it has enabled its local APIC: an
  // interrupt that came earlier would be lost. Errors: DeadlineExceeded after
  // some time, or the guest's end.
  absl::StatusOr<absl::Duration> Finish() ABSL_LOCKS_EXCLUDED(mutex_);

  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

  volatile BenchMailbox& mailbox() const { return mailbox_; }

 private:
  volatile BenchMailbox& mailbox_;
  const int cpu_;
  bool pinned_ = false;                 // The vCPU thread's, ...
  std::optional<Stopwatch> stopwatch_;  // ... while the guest is at work.
  absl::Mutex mutex_;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;  // The guest, for work.
  std::optional<Work> work_ ABSL_GUARDED_BY(mutex_);
  absl::Duration took_ ABSL_GUARDED_BY(mutex_);  // What it did last.
  absl::Status end_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_GATE_H_
