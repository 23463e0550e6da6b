// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_IOREQ_XEN_PAGE_H_
#define IVSHMEM_BENCH_IOREQ_XEN_PAGE_H_

#include <memory>

#include "bench/ioreq/contender.h"

namespace ivshmem::bench {

// A vCPU of a Xen domain that reads a register, and the library's engine, which
// answers through Xen's page. The hypervisor's part is the least that the
// protocol allows: stores to the slot; an eventfd and a futex for event
// channels. (A vCPU of Xen's never polls; it does with kPoll.)
std::unique_ptr<Contender> MakeXenPage(Wait wait, Answerer answerer);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_IOREQ_XEN_PAGE_H_
