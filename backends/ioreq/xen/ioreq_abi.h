// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_IOREQ_ABI_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_IOREQ_ABI_H_

// Xen's own headers, which need the integer types and do not include them.
// clang-format off
#include <cstdint>
#include <xen/hvm/dm_op.h>  // IWYU pragma: export
#include <xen/hvm/ioreq.h>  // IWYU pragma: export
// clang-format on

#include <cstddef>

namespace ivshmem::xen {

constexpr size_t kPageSize = 4096;

// The synchronous page of a server is an array of these, one for each vCPU.
constexpr int kRequestsPerPage = kPageSize / sizeof(ioreq_t);

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_IOREQ_ABI_H_
