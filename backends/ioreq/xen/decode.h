// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_DECODE_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_DECODE_H_

#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/ioreq_abi.h"

namespace ivshmem::xen {

// The access that `request` asks for, whatever is in it. Xen gives a config
// access the function's segment, bus, device and function in the upper half of
// its address and the register in the lower: here it gets the address in the
// segment's ECAM window. Those of further segments, where nobody claims
// anything, would lie above it. A register past the function's 4 KiB makes a
// request of unknown kind.
ioreq::Request Decode(const ioreq_t& request);

// Xen tells every server that the guest's clock was set (TIMEOFFSET), and that
// mappings of its memory that are kept are to be given up (INVALIDATE). Neither
// is an access, and here, where no mapping is kept, nothing is to be done: it
// is to be completed as it is.
bool IsNotice(const ioreq_t& request);

// Whether `data` is the answer's: a read, not into memory.
bool ReturnsData(const ioreq_t& request);

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_DECODE_H_
