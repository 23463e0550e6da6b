// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_IRQFD_ROUTER_H_
#define IVSHMEM_BACKENDS_KVM_IRQFD_ROUTER_H_

#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/irq_router.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/vm.h"
#include "backends/registration.h"
#include "bus/pci/msi.h"
#include "core/notifier.h"

namespace ivshmem::kvm {

// Sends messages from the kernel when an eventfd is signalled, by irqfds.
//
// While an event is bound here the kernel takes its signals; nobody who reads
// the eventfd besides sees them.
//
// Threading: any thread. Registrations may outlive the object, but not `vm` and
// `routes`.
class IrqfdRouter : public IrqRouter {
 public:
  IrqfdRouter(Vm& vm, GsiRoutes& routes) : vm_(vm), routes_(routes) {}

  // Errors: ResourceExhausted when the table of routes is full,
  // FailedPrecondition for an eventfd that is bound in this VM already; else
  // the kernel's.
  absl::StatusOr<RegistrationPtr> Bind(EventHandle event,
                                       const pci::MsiMessage& message) override;

  // Replaces the table of routes once for all of them.
  std::vector<absl::StatusOr<RegistrationPtr>> BindAll(
      absl::Span<const Request> requests) override;

 private:
  Vm& vm_;
  GsiRoutes& routes_;
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_IRQFD_ROUTER_H_
