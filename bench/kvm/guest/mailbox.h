// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0
//
// The guest program of the benchmark, the same for all contenders. Guest and
// host both read this file.
//
// The guest reads kWorkPort, which gives it an operation, does that with what
// the mailbox says, and reads the port again, which says that it is done. So
// the vCPU's own thread sees the beginning and the end.

#ifndef IVSHMEM_BENCH_KVM_GUEST_MAILBOX_H_
#define IVSHMEM_BENCH_KVM_GUEST_MAILBOX_H_

#include <stdint.h>

enum {
  kBenchRamSize = 0x200000,
  kBenchImageAddress = 0x100000,  // Where it is loaded and entered.
  kBenchMailboxAddress = 0x10000,

  kWorkPort = 0x510,
  kRingInterrupt = 0x40,
};

enum BenchOperation {
  // For ever, with interrupts off.
  kBenchHalt,
  // Writes `value` at `address`, `count` times, 4 bytes each.
  kBenchWrite,
  // Reads 4 bytes at `address`, `count` times; the last is `result`.
  kBenchRead,
  // Waits in `hlt` for kRingInterrupt and then writes `value` at `address`, as
  // often as `count` says.
  kBenchAnswer,
  // Reads `address` until `stop` is not 0 and counts that in `result`. The
  // longest that one took is `longest`, in ticks of the time stamp counter.
  kBenchWatch,
};

struct BenchMailbox {
  uint32_t address;
  uint32_t value;
  uint32_t count;
  uint32_t result;
  uint32_t stop;
  uint32_t reserved;
  uint64_t longest;
};

#endif  // IVSHMEM_BENCH_KVM_GUEST_MAILBOX_H_
