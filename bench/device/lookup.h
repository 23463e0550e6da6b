// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_LOOKUP_H_
#define IVSHMEM_BENCH_DEVICE_LOOKUP_H_

#include <array>
#include <memory>

#include "bench/device/operation.h"

namespace ivshmem::bench {

// How many peers a device knows when it rings.
inline constexpr std::array<int, 4> kPeerCounts = {1, 256, 4096, 65536};

// A device with `peers` peers, whose notifiers do nothing, rings the last of
// them: what it takes to find one.
std::unique_ptr<Operation> MakeLookup(int peers);

// It rings all of them, in an order in which no cache foresees them.
std::unique_ptr<Operation> MakeScatteredLookup(int peers);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_LOOKUP_H_
