// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_MOVING_GUEST_MEMORY_H_
#define IVSHMEM_TESTING_MOVING_GUEST_MEMORY_H_

#include <atomic>
#include <cstdint>

#include "core/shared_memory.h"

namespace ivshmem::moving {

inline constexpr int kVectors = 8;

// What the guest of a device that moves writes into the shared memory, and
// whoever rings it reads. All zero at first.
struct GuestMemory {
  // Interrupts that came, by vector: over all processes of its life.
  std::atomic<uint32_t> interrupts[kVectors];
  // Who rings without waiting for an answer counts here before it rings, and
  // what the guest saw there when it was last interrupted.
  std::atomic<uint64_t> rung;
  std::atomic<uint64_t> seen;
  // When its vCPUs were paused and ran again the last time: CLOCK_MONOTONIC,
  // nanoseconds.
  std::atomic<int64_t> paused;
  std::atomic<int64_t> resumed;
};
static_assert(std::atomic<uint64_t>::is_always_lock_free);

inline GuestMemory& GuestMemoryIn(const SharedMemory& memory) {
  return *reinterpret_cast<GuestMemory*>(memory.data);
}

}  // namespace ivshmem::moving

#endif  // IVSHMEM_TESTING_MOVING_GUEST_MEMORY_H_
