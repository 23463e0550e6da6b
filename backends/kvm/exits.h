// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_EXITS_H_
#define IVSHMEM_BACKENDS_KVM_EXITS_H_

#include <linux/kvm.h>

#include "bus/mmio_handler.h"

namespace ivshmem::kvm {

// What a vCPU's loop does with an exit for an access that KVM does not answer
// by itself. `run` is the vCPU's shared page; the access is completed by the
// next KVM_RUN, as always.
//
// Threading: each vCPU's own thread; the handlers are called from there.

// KVM_EXIT_MMIO: hands the access to `memory` by its guest-physical address, an
// AddressMap, say.
void HandleMmio(kvm_run& run, MmioHandler& memory) noexcept;

// KVM_EXIT_IO: hands each access (a string instruction has many) to `ports` by
// the port's number.
void HandleIo(kvm_run& run, MmioHandler& ports) noexcept;

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_EXITS_H_
