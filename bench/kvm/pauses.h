// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_PAUSES_H_
#define IVSHMEM_BENCH_KVM_PAUSES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "bench/kvm/contender.h"

namespace ivshmem::bench {

// How long something took, and the longest time that a guest's vCPU needed
// meanwhile for one read of a register, again and again.
struct Pause {
  absl::Duration took;
  absl::Duration longest;
};

// A peer with many vectors comes and goes.
struct Visit {
  Pause add;
  Pause remove;
  Pause idle;  // Nothing happens for as long as `add` took.
};

// Errors: the contender's.
absl::StatusOr<Visit> MeasureVisit(Contender& contender, int vectors);

// One line: medians of `visits`, of which there are some.
std::string Summary(absl::string_view name, int vectors,
                    const std::vector<Visit>& visits);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_PAUSES_H_
