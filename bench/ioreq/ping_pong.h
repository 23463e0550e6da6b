// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_IOREQ_PING_PONG_H_
#define IVSHMEM_BENCH_IOREQ_PING_PONG_H_

#include <atomic>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/ioreq/contender.h"
#include "bench/kvm/cpus.h"

namespace ivshmem::bench {

// The least: a number in one cache line that each end increments in its turn.
class PingPong : public Contender {
 public:
  explicit PingPong(Wait wait) : wait_(wait) {}

  absl::StatusOr<absl::Duration> Run(const Cpus& cpus, uint32_t count) override;

 private:
  static constexpr uint32_t kEnd = ~uint32_t{0};

  // Returns what is not `seen`.
  uint32_t Await(uint32_t seen);
  void Put(uint32_t value);
  void Answer();

  const Wait wait_;
  alignas(64) std::atomic<uint32_t> line_{0};  // Odd: the partner's turn.
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_IOREQ_PING_PONG_H_
