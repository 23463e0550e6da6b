// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_DEVICE_DEVICE_UNDER_TEST_H_
#define IVSHMEM_BENCH_DEVICE_DEVICE_UNDER_TEST_H_

#include <memory>

#include "bench/device/operation.h"

namespace ivshmem::bench {

// A PCI device with two vectors that can interrupt, as a VMM has it, and two
// peers, each with an eventfd; and what a guest and peers do to it.
class DeviceUnderTest {
 public:
  virtual ~DeviceUnderTest() = default;

  // A BAR0 write that rings the peer of the thread's own.
  virtual std::unique_ptr<Operation> Doorbell() = 0;
  // One that rings a peer that is not there.
  virtual std::unique_ptr<Operation> RefusedDoorbell() = 0;
  // A BAR0 read of IVPosition.
  virtual std::unique_ptr<Operation> RegisterRead() = 0;
  // A peer's interrupt of the thread's own vector, up to the VMM's MSI sink,
  // which does nothing.
  virtual std::unique_ptr<Operation> Interrupt() = 0;
};

// Through the C++ interface.
std::unique_ptr<DeviceUnderTest> MakeCppDevice();

// Through the C interface, of the shared library as it is installed.
std::unique_ptr<DeviceUnderTest> MakeCDevice();

// A device of 2,048 vectors is saved as bytes, destroyed, and made anew from
// them; through the C interface.
std::unique_ptr<Operation> MakeCSaveAndRestore();

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_DEVICE_DEVICE_UNDER_TEST_H_
