// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_SOCKETPAIR_H_
#define IVSHMEM_BENCH_SOCKETPAIR_H_

#include "absl/status/statusor.h"
#include "bench/measured.h"

namespace ivshmem::bench {

// What a connect storm is compared with: another process sends as many
// messages as a server owes clients of that shape over one socketpair, each
// with a descriptor, one by one; this process reads each and closes its
// descriptor. Both block. The descriptors are those of as many eventfds as the
// clients have vectors, in turn.
absl::StatusOr<Measured> MeasureSocketpair(const Shape& shape);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_SOCKETPAIR_H_
