// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_DOORBELLS_H_
#define IVSHMEM_BACKENDS_KVM_DOORBELLS_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "backends/doorbell_accelerator.h"
#include "backends/kvm/vm.h"
#include "backends/registration.h"
#include "core/notifier.h"

namespace ivshmem::kvm {

// Rings doorbells in the kernel, by ioeventfds: one for each value, of exactly
// 4 bytes.
//
// The kernel adds and removes them one at a time, in some microseconds each,
// more while vCPUs run; a device that has an Executor adds them from there.
//
// Threading: any thread. Registrations may outlive the object, but not `vm`.
class Doorbells : public DoorbellAccelerator {
 public:
  explicit Doorbells(Vm& vm) : vm_(vm) {}

  // Errors: ResourceExhausted when the kernel has no room for one more (ENOSPC:
  // the VM's bus holds so many devices, 1,000 in many kernels; EMFILE);
  // AlreadyExists when that value is bound at that address; else what the
  // kernel says.
  absl::StatusOr<RegistrationPtr> Bind(uint64_t address, uint32_t value,
                                       EventHandle event) override;

  MissPolicy miss_policy() const override { return MissPolicy::kFallsThrough; }

 private:
  Vm& vm_;
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_DOORBELLS_H_
