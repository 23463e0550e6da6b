// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_TIMERS_H_
#define IVSHMEM_BACKENDS_TIMERS_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/registration.h"

namespace ivshmem {

// Runs out once for each time it was set, until the object is destroyed. When
// the destructor returns, what it runs does not run, unless it is that which
// destroys the timer. So it waits for what runs on another thread.
//
// Threading: any thread.
class Timer : public Registration {
 public:
  // Runs out after `delay` from now, instead of what was set before; never
  // inside this call. Neither blocks nor allocates.
  virtual void Set(absl::Duration delay) = 0;
  virtual void Clear() = 0;
};

// Where timers come from: an event loop of the embedder's.
//
// Threading: any thread.
class Timers {
 public:
  virtual ~Timers() = default;

  // `run_out` is run on a thread of the embedder's choosing, never under a
  // lock, once at a time. The timer goes before this object. Errors: whatever
  // keeps the embedder from having one more.
  virtual absl::StatusOr<std::unique_ptr<Timer>> NewTimer(
      absl::AnyInvocable<void()> run_out) = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_TIMERS_H_
