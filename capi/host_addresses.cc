// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/host_addresses.h"

#include "absl/status/status.h"
#include "capi/errors.h"
#include "capi/inside.h"
#include "capi/undo.h"

namespace ivshmem::capi {

absl::StatusOr<RegistrationPtr> HostMapper::Map(uint64_t base,
                                                const SharedMemory& memory,
                                                MemoryAccess access) {
  {
    const Inside inside(device_);
    absl::Status mapped = CallbackStatus(
        "map_memory",
        host_.map_memory(host_.opaque, base, memory.data, memory.size,
                         access == MemoryAccess::kReadOnly ? 1 : 0));
    if (!mapped.ok()) return mapped;
  }
  return MakeUndo(device_, [&host = host_, base, memory] {
    host.unmap_memory(host.opaque, base, memory.data, memory.size);
  });
}

ivshmem_range* HostSpace::RangeOf(MmioHandler& handler) {
  absl::MutexLock lock(&mutex_);
  for (ivshmem_range& range : ranges_) {
    if (range.handler == &handler) return &range;
  }
  return &ranges_.emplace_back(ivshmem_range{device_, &handler});
}

absl::StatusOr<RegistrationPtr> HostSpace::Claim(uint64_t base, uint64_t size,
                                                 MmioHandler& handler) {
  ivshmem_range* const range = RangeOf(handler);
  {
    const Inside inside(device_);
    absl::Status claimed = CallbackStatus(
        "claim_range", host_.claim_range(host_.opaque, base, size, range));
    if (!claimed.ok()) return claimed;
  }
  return MakeUndo(device_, [&host = host_, base, size, range] {
    host.release_range(host.opaque, base, size, range);
  });
}

}  // namespace ivshmem::capi
