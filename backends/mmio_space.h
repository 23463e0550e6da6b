// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MMIO_SPACE_H_
#define IVSHMEM_BACKENDS_MMIO_SPACE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"

namespace ivshmem {

// The guest-physical addresses whose accesses are trapped.
//
// Threading: Claim() and the release of a claim come from any thread, one at a
// time for each device.
class MmioSpace {
 public:
  virtual ~MmioSpace() = default;

  // From now on the guest's accesses to [base, base + size) go to `handler`.
  // An access that was under way when the claim is released may still reach the
  // handler afterwards; the handlers of this library answer it harmlessly.
  // Errors: the range overlaps another claim, or cannot be trapped.
  virtual absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                                MmioHandler& handler) = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_MMIO_SPACE_H_
