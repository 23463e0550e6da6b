// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_FAKE_TRANSPORT_H_
#define IVSHMEM_BACKENDS_IOREQ_FAKE_TRANSPORT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "gtest/gtest.h"

namespace ivshmem::ioreq {

// For this folder's tests: a page in this process's memory, whose vCPUs are
// threads of the test. It fails the test when a rule of Transport is broken.
//
// As ACRN's, its wait returns at once as long as a request is not completed.
class FakeTransport final : public Transport {
 public:
  explicit FakeTransport(int slots) : slots_(static_cast<size_t>(slots)) {}

  // --- A vCPU ---------------------------------------------------------------

  // Puts a request into a slot that is free.
  void Issue(int slot, const Request& request) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    Slot& it = At(slot);
    EXPECT_EQ(it.state, State::kFree);
    it.state = State::kIssued;
    it.request = request;
  }

  // The answer to it; nullopt when there is none for long.
  std::optional<uint64_t> Await(int slot,
                                absl::Duration patience = absl::Seconds(30))
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    Slot& it = At(slot);
    const auto done = [&it] { return it.state == State::kDone; };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&done), patience)) {
      return std::nullopt;
    }
    it.state = State::kFree;
    return it.value;
  }

  std::optional<uint64_t> Do(int slot, const Request& request) {
    Issue(slot, request);
    return Await(slot);
  }

  // --- The hypervisor -------------------------------------------------------

  // Wait() fails from now on.
  void Fail(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    failure_ = std::move(status);
  }
  int waits() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return waits_;
  }
  // Requests completed.
  uint64_t completed() const ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    return completed_;
  }

  // --- Transport ------------------------------------------------------------

  int slots() const override { return static_cast<int>(slots_.size()); }

  absl::Status Wait() override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    EXPECT_FALSE(waiting_) << "two threads wait";
    waiting_ = true;
    ++waits_;
    mutex_.Await(absl::Condition(this, &FakeTransport::Due));
    waiting_ = false;
    if (stopped_) return absl::CancelledError("stopped");
    return failure_;
  }

  void Stop() noexcept override ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    stopped_ = true;
  }

  std::optional<Request> Begin(int slot) noexcept override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    Slot& it = At(slot);
    EXPECT_NE(it.state, State::kBegun) << "begun and not completed";
    if (it.state != State::kIssued) return std::nullopt;
    it.state = State::kBegun;
    return it.request;
  }

  void Complete(int slot, uint64_t value) noexcept override
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    Slot& it = At(slot);
    EXPECT_EQ(it.state, State::kBegun) << "completed twice, or never begun";
    it.state = State::kDone;
    it.value = value;
    ++completed_;
  }

 private:
  enum class State : uint8_t { kFree, kIssued, kBegun, kDone };
  struct Slot {
    State state = State::kFree;
    Request request;
    uint64_t value = 0;
  };

  Slot& At(int slot) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return slots_.at(static_cast<size_t>(slot));
  }
  bool Due() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (stopped_ || !failure_.ok()) return true;
    for (const Slot& slot : slots_) {
      if (slot.state == State::kIssued || slot.state == State::kBegun) {
        return true;
      }
    }
    return false;
  }

  mutable absl::Mutex mutex_;
  std::vector<Slot> slots_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  bool waiting_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  int waits_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t completed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_FAKE_TRANSPORT_H_
