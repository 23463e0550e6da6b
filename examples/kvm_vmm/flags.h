// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_FLAGS_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_FLAGS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace ivshmem::kvm_vmm {

// What the command line asks for.
struct Flags {
  std::string bios;
  std::string socket;
  int vectors = 0;
  bool ioeventfd = true;
  bool irqfd = true;
  uint64_t memory = uint64_t{128} << 20;  // In bytes.
  bool verbose = false;

  std::string help;  // Not empty: only this is wanted.
};

// Errors: what is wrong, on one line.
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

}  // namespace ivshmem::kvm_vmm

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_FLAGS_H_
