// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_GUEST_MEMORY_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_GUEST_MEMORY_H_

#include <cstdint>

#include "absl/types/span.h"
#include "backends/ioreq/guest_memory.h"
#include "backends/ioreq/xen/hypervisor.h"

namespace ivshmem::xen {

// The domain's RAM by foreign mappings. A frame is mapped for one access and
// not kept: it may cease to be RAM at any moment. That costs two system calls,
// which only string instructions pay.
//
// Threading: any thread, several at once.
class GuestMemory : public ioreq::GuestMemory {
 public:
  // `memory` outlives the object.
  explicit GuestMemory(ForeignMemory& memory) : memory_(memory) {}

  bool Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept override;
  bool Write(uint64_t address,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  ForeignMemory& memory_;
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_GUEST_MEMORY_H_
