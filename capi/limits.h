// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_LIMITS_H_
#define IVSHMEM_CAPI_LIMITS_H_

#include "core/limits.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// Takes a caller's limits, or none for null. What a device itself refuses is
// left to it. Returns 0 or a negative errno.
int CopyLimits(const ivshmem_limits* from, Limits& to);

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_LIMITS_H_
