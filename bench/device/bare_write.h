// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_BARE_WRITE_H_
#define IVSHMEM_BENCH_DEVICE_BARE_WRITE_H_

#include <memory>

#include "bench/device/operation.h"

namespace ivshmem::bench {

// The unit: a write() of 8 bytes to an eventfd, each thread to its own.
std::unique_ptr<Operation> MakeBareWrite();

// Arithmetic in registers: what the machine's processors make of two threads
// that share nothing.
std::unique_ptr<Operation> MakeArithmetic();

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_BARE_WRITE_H_
