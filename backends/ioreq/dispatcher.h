// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_DISPATCHER_H_
#define IVSHMEM_BACKENDS_IOREQ_DISPATCHER_H_

#include <cstdint>

#include "backends/ioreq/guest_memory.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/mmio_space.h"

namespace ivshmem::ioreq {

// Finds who answers a request. Devices claim their ranges in space(); what they
// claim is claimed at the hypervisor too, where that is needed.
//
// Threading: everything from any thread at once. Answer() takes no lock.
class Dispatcher {
 public:
  // Requests that nobody answered, by reason.
  struct Counts {
    uint64_t unclaimed = 0;  // Nothing is there (any more).
    uint64_t spanning = 0;   // Only a part of the bytes is claimed.
    uint64_t malformed = 0;  // No such type, direction, size, address, count.
  };

  // `claims` may be null, and `memory` too: then string instructions whose
  // operands are in memory are malformed. Both outlive this.
  Dispatcher(RangeClaims* claims, GuestMemory* memory);

  // Where the devices of a space claim their ranges (PciDevice::Host::mmio).
  MmioSpace& space(Space space);

  // Carries the access out and returns what a read reads, masked to its size:
  // all ones where nobody answers; what nobody answers writes nothing. Returns
  // `request.value` for a write.
  uint64_t Answer(const Request& request) noexcept;

  Counts counts() const;
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_DISPATCHER_H_
