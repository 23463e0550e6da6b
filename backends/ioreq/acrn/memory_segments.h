// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_MEMORY_SEGMENTS_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_MEMORY_SEGMENTS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/memory_mapper.h"
#include "backends/registration.h"
#include "core/shared_memory.h"

namespace ivshmem::acrn {

// Shows memory to the guest through ACRN_IOCTL_SET_MEMSEG.
//
// Linux (6.12 and before) pins the pages and uses up one of a VM's 256 mappings
// each time, until the VM is destroyed; taking memory out of the guest's sight
// gives neither back. A guest that moves its BAR that often has it unmapped in
// the end: its accesses trap then.
//
// Threading: any thread. Registrations may outlive the object, but not `hsm`.
class MemorySegments : public MemoryMapper {
 public:
  explicit MemorySegments(Hsm& hsm) : hsm_(hsm) {}

  // Errors: InvalidArgument for an address, a size or memory that does not lie
  // on a page boundary, and for no memory; ResourceExhausted when the kernel
  // has no room for one more; else what the kernel says. It writes to no
  // memory, but wants to be able to, also for read-only access.
  absl::StatusOr<RegistrationPtr> Map(uint64_t base, const SharedMemory& memory,
                                      MemoryAccess access) override;

 private:
  Hsm& hsm_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_MEMORY_SEGMENTS_H_
