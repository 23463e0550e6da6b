// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "ivshmem/ivshmem.h"

uint32_t ivshmem_abi_version(void) { return IVSHMEM_ABI_VERSION; }

const char* ivshmem_version_string(void) { return IVSHMEM_VERSION; }
