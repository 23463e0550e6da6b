// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_IOREQ_HOST_FLAGS_H_
#define IVSHMEM_EXAMPLES_IOREQ_HOST_FLAGS_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace ivshmem::ioreq_host {

// What the command line asks for.
struct Flags {
  std::string hypervisor;  // acrn or xen.
  uint64_t requests = 1000;

  std::string help;  // Not empty: only this is wanted.
};

// Errors: what is wrong, on one line.
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

}  // namespace ivshmem::ioreq_host

#endif  // IVSHMEM_EXAMPLES_IOREQ_HOST_FLAGS_H_
