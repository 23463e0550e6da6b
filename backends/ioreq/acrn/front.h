// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_FRONT_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_FRONT_H_

#include <linux/acrn.h>

#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/request_slots.h"

namespace ivshmem::acrn {

// A VM's I/O emulation as ACRN's hypervisor has it, for who embeds devices
// inside a hypervisor: what a handler of the hypervisor's own covers it does at
// once; what none does goes to a device model, if there is one.
//
// Threading: as EmulationRanges and RequestSlots; accesses of one vCPU come one
// at a time.
class Front {
 public:
  // What Emulate() returns for a request that a device model is to answer.
  static constexpr int kPending = RequestSlots::kPending;

  // `slots` may be null: a VM without a device model. Both outlive the object.
  Front(const EmulationRanges& ranges, RequestSlots* slots)
      : ranges_(ranges), slots_(slots) {}

  // The access of `vcpu`, which the processor has trapped: `type` and `reqs` of
  // `request`. Returns
  //   0         when a handler did it: what a read reads is in `request`,
  //             masked to its size. Without a device model also when nobody is
  //             there: reads are all ones then, writes are dropped;
  //   kPending  when it is in the slot of `vcpu`: that is suspended until
  //             Host::Resume(), or polls; PostWork() has the answer;
  //   -EIO      for an access that does not lie wholly in the range it touches;
  //   -EINVAL   for an unknown type or direction, a size that is none, or a
  //             vCPU that is none;
  //   -EBUSY    when the vCPU has a request already;
  //   or another negative errno, which the handler returned.
  int Emulate(int vcpu, acrn_io_request& request) noexcept;

  // Ends a request that was pending: RequestSlots::Take().
  int PostWork(int vcpu, acrn_io_request& request) noexcept;

 private:
  const EmulationRanges& ranges_;
  RequestSlots* const slots_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_FRONT_H_
