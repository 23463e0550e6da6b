// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_CLOCK_H_
#define IVSHMEM_CORE_CLOCK_H_

#include <chrono>
#include <cstdint>

namespace ivshmem {

// What time it is, for limits on rates. Nothing else in a device knows time.
//
// Threading: any thread, by several at once.
class Clock {
 public:
  virtual ~Clock() = default;

  // Nanoseconds since some moment; never less than before. Must not block.
  virtual int64_t Now() noexcept = 0;
};

// The machine's, which is not set.
class SteadyClock final : public Clock {
 public:
  int64_t Now() noexcept override {
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

// Comes back to a device after some time. Whom it tells is its owner's affair.
//
// Threading: as Clock.
class Alarm {
 public:
  virtual ~Alarm() = default;

  // Goes off once, `nanoseconds` (0 or more) from now, instead of when it was
  // set to before; never inside this call. Must not block or allocate.
  virtual void Set(int64_t nanoseconds) noexcept = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_CLOCK_H_
