// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_LIFECYCLE_H_
#define IVSHMEM_BENCH_DEVICE_LIFECYCLE_H_

#include <memory>

#include "bench/device/operation.h"

namespace ivshmem::bench {

// What happens to a device once in a while.

// A device of `vectors` vectors is made, and its guest's driver has it ready to
// interrupt; and it goes.
std::unique_ptr<Operation> MakeCreateToReady(int vectors);

// A device of `vectors` vectors is saved and made anew from its state. (Not as
// bytes: the C library is in the same program, and protobuf bears one of each.)
std::unique_ptr<Operation> MakeSaveAndRestore(int vectors);

// A guest's config write that moves BAR0 to another place in an AddressMap,
// from where accesses reach the device when it returns.
std::unique_ptr<Operation> MakeBarMove();

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_LIFECYCLE_H_
