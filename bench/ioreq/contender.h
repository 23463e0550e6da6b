// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_IOREQ_CONTENDER_H_
#define IVSHMEM_BENCH_IOREQ_CONTENDER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/kvm/cpus.h"
#include "bench/measured.h"

namespace ivshmem::bench {

// How both ends wait for each other.
enum class Wait : uint8_t {
  kPoll,   // By looking all the time.
  kBlock,  // Asleep.
};

// Who answers through a page.
enum class Answerer : uint8_t {
  kLibrary,
  kByHand,  // The least that keeps to the page's protocol: one slot, one
            // address, kPoll only.
};

// Two threads, one of which asks the other something.
//
// Threading: one thread.
class Contender {
 public:
  virtual ~Contender() = default;

  // Asks `count` times, each time when the last is answered, and returns how
  // long that took. Who answers runs on `cpus.host`, and only meanwhile; who
  // asks on `cpus.guest`. Errors: no thread, or an answer was wrong.
  virtual absl::StatusOr<absl::Duration> Run(const Cpus& cpus,
                                             uint32_t count) = 0;
};

// The last step of a Run(): times `count` calls of `ask`, after some that warm
// up.
template <typename Ask>
absl::StatusOr<absl::Duration> Time(const Cpus& cpus, uint32_t count, Ask ask) {
  PinThread(cpus.guest);
  for (uint32_t i = 0; i < count / 10; ++i) {
    if (!ask()) return absl::InternalError("a wrong answer");
  }
  const Stopwatch stopwatch;
  for (uint32_t i = 0; i < count; ++i) {
    if (!ask()) return absl::InternalError("a wrong answer");
  }
  return stopwatch.Elapsed();
}

// Between two looks at a cache line that somebody else is to write.
inline void Breathe() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_IOREQ_CONTENDER_H_
