// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_CPUS_H_
#define IVSHMEM_BENCH_KVM_CPUS_H_

namespace ivshmem::bench {

// Where the threads of all contenders run: vCPUs on one processor, everything
// else on another, if there are two.
struct Cpus {
  int host = 0;
  int guest = 0;
};

// The first and the last that this process may use.
Cpus ChooseCpus();

// The calling thread runs on `cpu` from now on, and so do threads that it
// starts.
void PinThread(int cpu);

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_CPUS_H_
