// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_SLOT_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_SLOT_H_

#include <cstdint>
#include <optional>

#include "backends/ioreq/xen/ioreq_abi.h"

namespace ivshmem::xen {

// A vCPU's request in the page that is shared with Xen, and its states:
//
//   NONE -> READY         Xen, when the vCPU has a request
//   READY -> INPROCESS    Begin()
//   INPROCESS -> IORESP_READY    Complete()
//   IORESP_READY -> NONE  Xen, when it has taken the answer
//
// Xen crashes the domain when it sees a state that it does not know, or one
// that went back. So a state is only ever stored where it is the next one; a
// slot in any other is left alone. Of the rest only `data` is written: Xen
// refuses further requests when `vp_eport` has changed.
//
// Threading: one thread at a time, beside the hypervisor.
class Slot {
 public:
  // `shared` outlives the object.
  explicit Slot(ioreq_t* shared) : shared_(shared) {}

  // Xen's end of the event channel of this vCPU.
  uint32_t event_port() const noexcept;

  // A request waits to be begun. From any thread.
  bool IsReady() const noexcept;

  // Takes the request if one is ready. The copy is private: every field of the
  // page is read once.
  std::optional<ioreq_t> Begin() noexcept;

  // Answers the request that Begin() took, with `data` if there is some.
  // Returns false, and does nothing, if the slot is not in process.
  bool Complete(std::optional<uint64_t> data) noexcept;

 private:
  ioreq_t* shared_;
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_SLOT_H_
