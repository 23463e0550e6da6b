// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IRQ_ROUTER_H_
#define IVSHMEM_BACKENDS_IRQ_ROUTER_H_

#include "absl/status/statusor.h"
#include "backends/registration.h"
#include "bus/pci/msi.h"
#include "core/notifier.h"

namespace ivshmem {

// Lets the hypervisor send a message when an event fires, without this process
// in between: an irqfd with its route.
//
// Threading: any thread, one call at a time for each device.
class IrqRouter {
 public:
  virtual ~IrqRouter() = default;

  // A signal of `event` sends `message` until the registration goes. A signal
  // that the event already holds is sent at once; one that comes after the
  // registration is gone stays in the event. Errors: no room for the route, or
  // the event is bound already.
  virtual absl::StatusOr<RegistrationPtr> Bind(
      EventHandle event, const pci::MsiMessage& message) = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_IRQ_ROUTER_H_
