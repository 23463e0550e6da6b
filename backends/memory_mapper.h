// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MEMORY_MAPPER_H_
#define IVSHMEM_BACKENDS_MEMORY_MAPPER_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "backends/dirty_log.h"
#include "backends/registration.h"
#include "core/shared_memory.h"

namespace ivshmem {

// Shows memory of this process to the guest, so that its accesses do not trap.
//
// Threading: any thread, one call at a time for each device.
class MemoryMapper {
 public:
  virtual ~MemoryMapper() = default;

  // The guest sees `memory` at guest-physical address `base`, write-back
  // cached, until the registration goes. Nothing is mapped when it fails.
  virtual absl::StatusOr<RegistrationPtr> Map(uint64_t base,
                                              const SharedMemory& memory,
                                              MemoryAccess access) = 0;

  // What becomes of a guest's write to memory that is mapped read-only.
  enum class RefusedWrites : uint8_t {
    // The hypervisor drops it, and nobody hears of it.
    kDropped,
    // It traps, as one to an address where nothing is mapped (KVM). A device
    // claims the range in the host's MmioSpace as well then, so as to count it.
    kTrapped,
  };
  virtual RefusedWrites refused_writes() const noexcept {
    return RefusedWrites::kDropped;
  }

  // Of what is mapped here. Null where the hypervisor cannot say what guests
  // write. Valid as long as the mapper.
  virtual DirtyLog* dirty_log() noexcept { return nullptr; }
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_MEMORY_MAPPER_H_
