// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_IRQFD_H_
#define IVSHMEM_BACKENDS_KVM_IRQFD_H_

#include <cstdint>
#include <optional>

#include "absl/status/statusor.h"
#include "backends/kvm/vm.h"
#include "backends/registration.h"
#include "core/notifier.h"

namespace ivshmem::kvm {

// A signal of `event` interrupts by `gsi` until the registration goes. With
// `resample`, the line stays up until the guest acknowledges the interrupt,
// which signals that event.
//
// `vm` outlives the registration. Errors: FailedPrecondition for an event that
// is bound in this VM already; else the kernel's.
absl::StatusOr<RegistrationPtr> AssignIrqfd(
    Vm& vm, EventHandle event, uint32_t gsi,
    std::optional<EventHandle> resample = std::nullopt);

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_IRQFD_H_
