// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_PROTECTED_MODE_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_PROTECTED_MODE_H_

#include <cstdint>

#include "absl/status/status.h"
#include "examples/kvm_vmm/machine.h"

namespace ivshmem::kvm_vmm {

// Has the machine's processor begin at `entry` in 32-bit protected mode without
// paging, interrupts off, with flat segments from a GDT of 32 bytes at
// `gdt_address` in RAM: code 0x10, data 0x18, as by Linux's 32-bit boot
// protocol. For programs that come without a firmware. Before the guest runs.
// Errors: what the kernel says.
absl::Status EnterProtectedMode(Machine& machine, uint32_t gdt_address,
                                uint32_t entry);

}  // namespace ivshmem::kvm_vmm

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_PROTECTED_MODE_H_
