// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/set_gsi_routing.h"

#include <linux/kvm.h>

uint64_t SetGsiRoutingRequest(void) { return KVM_SET_GSI_ROUTING; }

size_t SetGsiRoutingHeaderSize(void) { return sizeof(struct kvm_irq_routing); }
