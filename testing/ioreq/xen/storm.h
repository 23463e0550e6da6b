// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_XEN_STORM_H_
#define IVSHMEM_TESTING_IOREQ_XEN_STORM_H_

#include <cstdint>

#include "testing/ioreq/xen/domain.h"

namespace ivshmem::xen_simulation {

// `count` accesses of `vcpu`, drawn from `seed`. Returns how many were
// answered; stops at the first that is not.

// Of the echo devices, as a guest makes them, strings too, with operands in the
// frame of RAM whose number is the vCPU's. What is read is checked if
// `check`: who stops answers with all ones.
uint64_t BlowStorm(Domain& domain, int vcpu, uint64_t seed, uint64_t count,
                   bool check);

// Whatever can be in a slot, to `server`.
uint64_t BlowHostileStorm(Domain& domain, int vcpu, int server, uint64_t seed,
                          uint64_t count);

}  // namespace ivshmem::xen_simulation

#endif  // IVSHMEM_TESTING_IOREQ_XEN_STORM_H_
