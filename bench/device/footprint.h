// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_FOOTPRINT_H_
#define IVSHMEM_BENCH_DEVICE_FOOTPRINT_H_

#include <string>
#include <vector>

namespace ivshmem::bench {

// What something takes of memory, as malloc counts it: with its headers and
// its rounding.
struct Footprint {
  std::string what;
  double bytes = 0;
};

// Devices, peers and vectors, by what the heap grows when many are made.
std::vector<Footprint> MeasureFootprints();

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_FOOTPRINT_H_
