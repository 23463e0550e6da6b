// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_IRQFD_ROUTER_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_IRQFD_ROUTER_H_

#include "absl/status/statusor.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/irq_router.h"
#include "backends/registration.h"
#include "bus/pci/msi.h"
#include "core/notifier.h"

namespace ivshmem::acrn {

// Sends messages from the kernel when an eventfd is signalled, by
// ACRN_IOCTL_IRQFD.
//
// Threading: any thread. Registrations may outlive the object, but not `hsm`.
class IrqfdRouter : public IrqRouter {
 public:
  explicit IrqfdRouter(Hsm& hsm) : hsm_(hsm) {}

  // The kernel sends for each signal, and takes none.
  Signals signals() const override { return Signals::kLeft; }

  // An eventfd has one message at a time. Errors: FailedPrecondition for one
  // that is bound in this VM already; else the kernel's.
  absl::StatusOr<RegistrationPtr> Bind(EventHandle event,
                                       const pci::MsiMessage& message) override;

 private:
  Hsm& hsm_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_IRQFD_ROUTER_H_
