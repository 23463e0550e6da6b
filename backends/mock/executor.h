// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_EXECUTOR_H_
#define IVSHMEM_BACKENDS_MOCK_EXECUTOR_H_

#include <cstddef>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "backends/executor.h"

namespace ivshmem::mock {

// Work that waits until a test runs it. What was not run when the object goes
// is dropped.
//
// Threading: Run() from any thread. RunOne() and RunAll() from one at a time,
// which may be from inside work.
class Executor final : public ivshmem::Executor {
 public:
  Executor() = default;
  Executor(const Executor&) = delete;
  Executor& operator=(const Executor&) = delete;

  void Run(absl::AnyInvocable<void()> work) override;

  // Runs the oldest work; false when there is none.
  bool RunOne();

  // Runs work until none is left, that which the work adds included. Returns
  // how much it ran.
  size_t RunAll();

  size_t pending() const;

 private:
  mutable absl::Mutex mutex_;
  std::deque<absl::AnyInvocable<void()>> work_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_EXECUTOR_H_
