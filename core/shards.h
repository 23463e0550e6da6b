// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_SHARDS_H_
#define IVSHMEM_CORE_SHARDS_H_

#include <atomic>
#include <cstddef>

// Of a thread-local variable on the access path: found without a call also in a
// shared library. Takes room that the C library sets aside for all libraries
// that are opened late (some 1,600 bytes), so for a word here and there only.
#define IVSHMEM_FAST_THREAD_LOCAL [[gnu::tls_model("initial-exec")]]

namespace ivshmem {

// Threads that count the same thing at once do it on different cache lines.
inline constexpr size_t kShards = 8;
inline constexpr size_t kCacheLine = 64;

// The calling thread's shard: threads take them in turn when they first ask.
inline size_t ThreadShard() noexcept {
  static constinit std::atomic<size_t> next{0};
  IVSHMEM_FAST_THREAD_LOCAL static constinit thread_local size_t mine = kShards;
  if (mine == kShards) {
    mine = next.fetch_add(1, std::memory_order_relaxed) % kShards;
  }
  return mine;
}

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_SHARDS_H_
