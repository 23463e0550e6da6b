// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_STORM_H_
#define IVSHMEM_BENCH_STORM_H_

#include "absl/status/statusor.h"
#include "bench/measured.h"

namespace ivshmem::bench {

// Starts `ivshmem server`, lets the clients of that shape join it at once, all
// from this process, and measures from the first connection until each has been
// told all it is owed. Errors: DataLoss, DeadlineExceeded and others when a
// client was told anything else, or less, or more; when the server did not end
// well.
absl::StatusOr<Measured> MeasureStorm(const Shape& shape);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_STORM_H_
