// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_TIMERS_H_
#define IVSHMEM_BACKENDS_MOCK_TIMERS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/timers.h"
#include "core/clock.h"

namespace ivshmem::mock {

// Time that passes when a test says so, and timers by it. It begins at 0.
//
// Threading: any thread; Advance() from one at a time, which is not inside what
// a timer runs. Timers may outlive the object, and then do not run out.
class Timers final : public ivshmem::Timers, public Clock {
 public:
  Timers();
  ~Timers() override;
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  absl::StatusOr<std::unique_ptr<Timer>> NewTimer(
      absl::AnyInvocable<void()> run_out) override;
  int64_t Now() noexcept override;

  // Lets time pass: timers run out in the order of their times, each with the
  // clock at its own time, those that are set meanwhile included.
  void Advance(absl::Duration duration);

  // How many timers are set.
  int pending() const;

 private:
  struct State;
  class OneTimer;

  const std::shared_ptr<State> state_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_TIMERS_H_
