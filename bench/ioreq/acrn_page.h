// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_IOREQ_ACRN_PAGE_H_
#define IVSHMEM_BENCH_IOREQ_ACRN_PAGE_H_

#include <memory>

#include "bench/ioreq/contender.h"

namespace ivshmem::bench {

// A vCPU of an ACRN guest that reads a register, and the library's engine,
// which answers through ACRN's page. The hypervisor's and the kernel's part is
// the least that the protocol allows: stores to the slot, a futex to wait.
std::unique_ptr<Contender> MakeAcrnPage(Wait wait, Answerer answerer);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_IOREQ_ACRN_PAGE_H_
