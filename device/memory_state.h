// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_MEMORY_STATE_H_
#define IVSHMEM_DEVICE_MEMORY_STATE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "core/shared_memory.h"

namespace ivshmem {

// What a guest sees of the shared memory but for its content, which is not the
// device's to keep.
struct MemoryState {
  uint64_t size = 0;  // Bytes.
  MemoryAccess access = MemoryAccess::kReadWrite;

  friend bool operator==(const MemoryState&, const MemoryState&) = default;
};

// Whether a device that was saved with `state` may show `memory`. Errors:
// InvalidArgument that names the field ("state.memory.size"), what was expected
// and what came.
absl::Status CheckState(const MemoryState& state, const SharedMemory& memory,
                        MemoryAccess access);

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_MEMORY_STATE_H_
