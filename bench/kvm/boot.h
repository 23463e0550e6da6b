// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_BOOT_H_
#define IVSHMEM_BENCH_KVM_BOOT_H_

#include <cstdint>

#include "absl/status/status.h"

namespace ivshmem::bench {

// Puts the benchmark's guest into `ram`, its memory from address 0 on
// (kBenchRamSize), and lets the vCPU with the descriptor `vcpu` begin with it:
// in protected mode without paging, flat segments.
absl::Status Boot(int vcpu, uint8_t* ram);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_BOOT_H_
