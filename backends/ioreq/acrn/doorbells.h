// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_DOORBELLS_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_DOORBELLS_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/doorbell_accelerator.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/registration.h"
#include "core/notifier.h"

namespace ivshmem::acrn {

// Rings doorbells in the kernel, by ACRN_IOCTL_IOEVENTFD.
//
// Once one is bound, the kernel answers for the whole register: a write that
// matches none is lost, a read gives 0, which is what the register reads as. A
// write of 1 or 2 bytes rings the doorbell of that value, one of peer 0.
//
// The kernel takes a binding away by its eventfd alone, whichever of several it
// finds first. So an eventfd is bound once here, and a device that has several
// doorbells with the same one has none of them bound.
//
// Threading: any thread. Registrations may outlive the object, but not `hsm`.
class Doorbells : public DoorbellAccelerator {
 public:
  explicit Doorbells(Hsm& hsm);
  ~Doorbells() override;

  // Errors: FailedPrecondition for an eventfd that is bound here already; else
  // what the kernel says.
  absl::StatusOr<RegistrationPtr> Bind(uint64_t address, uint32_t value,
                                       EventHandle event) override;

  MissPolicy miss_policy() const override { return MissPolicy::kSwallowed; }

 private:
  class Kernel;
  class IoEventFd;

  const std::shared_ptr<Kernel> kernel_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_DOORBELLS_H_
