// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_DOORBELL_ACCELERATOR_H_
#define IVSHMEM_BACKENDS_DOORBELL_ACCELERATOR_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "backends/registration.h"
#include "core/notifier.h"

namespace ivshmem {

// Lets the hypervisor signal an event for a guest's doorbell write, without
// this process in between: an ioeventfd.
//
// Threading: any thread, one call at a time for each device.
class DoorbellAccelerator {
 public:
  // What becomes of a write to the doorbell that matches no bound value.
  enum class MissPolicy : uint8_t {
    kFallsThrough,  // It is trapped as if nothing were bound (KVM).
    kSwallowed,     // It is lost (ACRN), so that all pairs or none are bound.
  };

  virtual ~DoorbellAccelerator() = default;

  // A guest's write of exactly 4 bytes of `value` at guest-physical `address`
  // signals `event` until the registration goes. Errors: ResourceExhausted when
  // there is no more room, which leaves this doorbell on the trapped path and
  // is no fault.
  virtual absl::StatusOr<RegistrationPtr> Bind(uint64_t address, uint32_t value,
                                               EventHandle event) = 0;

  virtual MissPolicy miss_policy() const = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_DOORBELL_ACCELERATOR_H_
