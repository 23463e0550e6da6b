// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_SET_GSI_ROUTING_H_
#define IVSHMEM_BACKENDS_KVM_SET_GSI_ROUTING_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// For this folder's tests: KVM_SET_GSI_ROUTING and the size of what stands
// before its entries as a C compiler sees them, and the kernel with it. Some
// systems' <linux/kvm.h> tells a C++ compiler otherwise.
uint64_t SetGsiRoutingRequest(void);
size_t SetGsiRoutingHeaderSize(void);

#ifdef __cplusplus
}
#endif

#endif  // IVSHMEM_BACKENDS_KVM_SET_GSI_ROUTING_H_
