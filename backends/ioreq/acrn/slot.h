// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_SLOT_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_SLOT_H_

#include <linux/acrn.h>

#include <cstdint>

#include "backends/ioreq/request.h"

namespace ivshmem::acrn {

// One of the hypervisor's types of request that <linux/acrn.h> does not have: a
// write to a page that is write-protected, else as an MMIO request.
inline constexpr uint32_t kTypeWriteProtect = 3;

// One vCPU's slot of the I/O request page, as the device model uses it. Other
// processors write it at any time: what is needed is read once.
//
// Threading: any thread; SetValue() by one at a time.
class Slot {
 public:
  // `shared` outlives the object.
  explicit Slot(acrn_io_request& shared) : shared_(shared) {}

  // Whether there is a request for this process: one that the kernel has taken
  // from the hypervisor (PROCESSING) and does not answer itself. Acquires what
  // was written before.
  bool HasRequest() const noexcept;

  // A copy of the request. A type or direction that ACRN does not have is
  // kUnknown in it; a PCI register that cannot be has an address past the end
  // of config space.
  ioreq::Request Copy() const noexcept;

  // Puts the answer to `request`, which Copy() gave, where the hypervisor looks
  // for it: 4 bytes for ports and config space, else 8. A write has none.
  // Whoever changes the state then, the kernel, releases it.
  void SetValue(const ioreq::Request& request, uint64_t value) noexcept;

 private:
  acrn_io_request& shared_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_SLOT_H_
