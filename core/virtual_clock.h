// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_VIRTUAL_CLOCK_H_
#define IVSHMEM_CORE_VIRTUAL_CLOCK_H_

#include <atomic>
#include <cstdint>
#include <utility>

#include "core/clock.h"

namespace ivshmem {

// For tests: time that passes when the test says so, and an alarm by it.
//
// Threading: any thread; TakeDue() by one at a time.
class VirtualClock : public Clock, public Alarm {
 public:
  int64_t Now() noexcept override { return now_; }
  void Set(int64_t nanoseconds) noexcept override {
    at_ = now_ + nanoseconds;
    ++times_set_;
  }

  void Advance(int64_t nanoseconds) { now_ += nanoseconds; }

  // Whether the alarm goes off, which it then has.
  bool TakeDue() {
    int64_t at = at_;
    return at != kNever && at <= now_ &&
           at_.compare_exchange_strong(at, kNever);
  }
  bool set() const { return at_ != kNever; }
  int64_t until() const { return at_ - now_; }  // When set.
  int times_set() const { return times_set_; }

 private:
  static constexpr int64_t kNever = -1;

  std::atomic<int64_t> now_{0};
  std::atomic<int64_t> at_{kNever};
  std::atomic<int> times_set_{0};
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_VIRTUAL_CLOCK_H_
