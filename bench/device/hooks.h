// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_HOOKS_H_
#define IVSHMEM_BENCH_DEVICE_HOOKS_H_

#include <memory>

#include "bench/device/operation.h"

namespace ivshmem::bench {

// What counting and the hooks for events and limits cost while nobody uses
// them: the core's device as it is, and one that was made of the same source
// without those lines (without_hooks.sh). Both ring an eventfd.
std::unique_ptr<Operation> MakeRingWithHooks();
std::unique_ptr<Operation> MakeRingWithoutHooks();

// A peer's interrupt, up to a sink that does nothing.
std::unique_ptr<Operation> MakeInterruptWithHooks();
std::unique_ptr<Operation> MakeInterruptWithoutHooks();

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_HOOKS_H_
