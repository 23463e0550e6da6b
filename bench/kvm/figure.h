// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_FIGURE_H_
#define IVSHMEM_BENCH_KVM_FIGURE_H_

#include <array>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/kvm/bare_vm.h"
#include "bench/kvm/contender.h"
#include "bench/kvm/cpus.h"
#include "bench/kvm/gate.h"
#include "bench/kvm/ratio.h"

namespace ivshmem::bench {

// Something that a guest does again and again, and what it may cost.
struct Figure {
  const char* name;
  const char* text;
  double target;  // As a ratio to the hand-written program's.
  BareVm::Options bare;
  Work work;
  int exits;  // Of one operation, that come out to the program.
  int rings;  // Of one operation, that reach kPeer.
};

extern const std::array<Figure, 7> kFigures;

// How many operations take some milliseconds: the machine drifts, so that many
// short slices tell more than a few long ones.
uint32_t SliceOf(const Figure& figure);

// One slice: the guest of `contender` does `count` of the figure's operations.
// Errors: what the guest did was not what is to be measured.
absl::StatusOr<absl::Duration> RunSlice(Contender& contender,
                                        const Figure& figure, uint32_t count);

// The contenders for one figure.
class Contest {
 public:
  static absl::StatusOr<std::unique_ptr<Contest>> Create(const Figure& figure,
                                                         const Cpus& cpus);

  // A slice of each, in one of their six orders (`turn` modulo 6), in
  // nanoseconds for an operation.
  absl::StatusOr<Round> RunRound(int turn, uint32_t count);

 private:
  explicit Contest(const Figure& figure) : figure_(figure) {}

  const Figure& figure_;
  std::array<std::unique_ptr<Contender>, 3> contenders_;  // As in Round.
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_FIGURE_H_
