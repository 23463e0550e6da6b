// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_MEASURED_H_
#define IVSHMEM_BENCH_MEASURED_H_

#include <sys/resource.h>

#include <cstdint>
#include <ctime>

#include "absl/time/time.h"

namespace ivshmem::bench {

// Clients that join at once, and how many vectors each has.
struct Shape {
  int clients = 0;
  int vectors = 0;

  // What a server has to send: to each client version, id and memory, and all
  // vectors of all clients, its own among them.
  int64_t messages() const {
    return int64_t{clients} * (3 + int64_t{clients} * vectors);
  }
};

struct Measured {
  int64_t messages = 0;
  absl::Duration time;
  absl::Duration sender_cpu;  // Of the process that sends, from its start.
  absl::Duration reader_cpu;  // Of this process.

  double rate() const {
    return static_cast<double>(messages) / absl::ToDoubleSeconds(time);
  }
  double PerMessage(absl::Duration cpu) const {  // Nanoseconds.
    return absl::ToDoubleNanoseconds(cpu) / static_cast<double>(messages);
  }
};

// What a process has used so far: `who` is RUSAGE_SELF, or RUSAGE_CHILDREN for
// all those that were waited for.
inline absl::Duration CpuTime(int who) {
  rusage usage;
  getrusage(who, &usage);
  return absl::DurationFromTimeval(usage.ru_utime) +
         absl::DurationFromTimeval(usage.ru_stime);
}

// Runs from its making, by a clock that nobody sets.
class Stopwatch {
 public:
  absl::Duration Elapsed() const { return Now() - start_; }

 private:
  static absl::Duration Now() {
    timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return absl::DurationFromTimespec(now);
  }

  const absl::Duration start_ = Now();
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_MEASURED_H_
