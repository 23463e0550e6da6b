// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_CONTENDER_H_
#define IVSHMEM_BENCH_KVM_CONTENDER_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/kvm/gate.h"

namespace ivshmem::bench {

// What both VMs have in common: where the guest finds the device, and whom it
// can ring.
inline constexpr uint32_t kRegisters = 0xe0000000;  // BAR0.
inline constexpr uint32_t kPosition = kRegisters + 0x8;
inline constexpr uint32_t kDoorbell = kRegisters + 0xc;
inline constexpr uint32_t kMsixTable = 0xe0001000;  // BAR1.
inline constexpr uint32_t kMemory = 0xe1000000;     // BAR2.
inline constexpr uint64_t kMemorySize = 1 << 20;
inline constexpr uint16_t kOwnId = 7;
inline constexpr uint16_t kPeer = 1;        // Has vector 0.
inline constexpr uint16_t kAbsentPeer = 5;  // Is not there.
inline constexpr uint16_t kManyPeer = 9;  // Comes and goes, with many vectors.

// A doorbell's value that rings vector 0 of `peer`.
constexpr uint32_t RingValue(uint16_t peer) { return uint32_t{peer} << 16; }

// Which of the two short cuts through the kernel there are.
struct FastPaths {
  bool io_event_fd = true;
  bool irqfd = true;
};

// A VM with one vCPU that runs the benchmark's guest and has an ivshmem device,
// or what it takes to look like one.
//
// Threading: one thread, but for the gate.
class Contender {
 public:
  virtual ~Contender() = default;

  virtual Gate& gate() = 0;

  // What kPeer has: the event that the guest rings, and the one that interrupts
  // the guest. Blocking.
  virtual int ring_fd() const = 0;
  virtual int interrupt_fd() const = 0;

  // The vCPU's descriptor.
  virtual int vcpu_fd() const = 0;

  // Accesses of the guest that came out of the kernel, kWorkPort's not counted.
  virtual uint64_t exits() const = 0;

  // Lets kManyPeer come, with so many vectors, or go. Returns how long it took
  // until the kernel rings all of them, or none.
  virtual absl::StatusOr<absl::Duration> AddVectors(int vectors) = 0;
  virtual absl::StatusOr<absl::Duration> RemoveVectors() = 0;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_CONTENDER_H_
