// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_HYPERVISOR_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_HYPERVISOR_H_

#include <cstdint>

#include "absl/types/span.h"

namespace ivshmem::xen {

// What this backend asks of Xen for one domain: the calls of libxendevicemodel,
// libxenevtchn and libxenforeignmemory that it uses, one each. All return what
// the library returns, or -errno. A test puts a simulation in.
//
// Threading: any thread, several at once.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // (The helper that writes the Xen transport fills this in.)
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_HYPERVISOR_H_
