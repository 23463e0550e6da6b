// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_COUNTERS_H_
#define IVSHMEM_CORE_COUNTERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/shards.h"

namespace ivshmem {

// One counter for each value of `Kind`, an enumeration that counts from 0 and
// ends in kCount. Adding takes no lock and threads do not share a cache line.
//
// Threading: any thread. A sum taken while others add is of some moment for
// each counter, not of one moment for all.
template <typename Kind>
class Counters {
 public:
  static constexpr size_t kKinds = static_cast<size_t>(Kind::kCount);

  void Add(Kind kind) noexcept {
    shards_[ThreadShard()].counts[static_cast<size_t>(kind)].fetch_add(
        1, std::memory_order_relaxed);
  }

  uint64_t Get(Kind kind) const noexcept {
    uint64_t sum = 0;
    for (const Shard& shard : shards_) {
      sum += shard.counts[static_cast<size_t>(kind)].load(
          std::memory_order_relaxed);
    }
    return sum;
  }

 private:
  struct alignas(kCacheLine) Shard {
    std::array<std::atomic<uint64_t>, kKinds> counts = {};
  };

  std::array<Shard, kShards> shards_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_COUNTERS_H_
