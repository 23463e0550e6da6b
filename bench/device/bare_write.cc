// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/device/bare_write.h"

#include <benchmark/benchmark.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <cstdlib>
#include <utility>

#include "backends/linux/unique_fd.h"

namespace ivshmem::bench {

std::unique_ptr<Operation> MakeBareWrite() {
  std::array<UniqueFd, kLanes> events;
  for (UniqueFd& event : events) {
    event = UniqueFd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
    if (!event.valid()) std::abort();
  }
  return Repeat([events = std::move(events)](int lane) {
    const uint64_t one = 1;
    if (write(events[lane].get(), &one, sizeof(one)) != sizeof(one)) {
      std::abort();
    }
  });
}

std::unique_ptr<Operation> MakeArithmetic() {
  return Repeat([](int lane) {
    uint64_t x = static_cast<uint64_t>(lane) + 1;
    for (int i = 0; i < 50; ++i) {
      x ^= x << 13;
      x ^= x >> 7;
      x ^= x << 17;
    }
    benchmark::DoNotOptimize(x);
  });
}

}  // namespace ivshmem::bench
