// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IRQ_ROUTER_H_
#define IVSHMEM_BACKENDS_IRQ_ROUTER_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
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
  // What becomes of a signal whose message was sent.
  enum class Signals : uint8_t {
    kTaken,  // Nobody else sees it (KVM).
    // It stays in the event as well (ACRN), for whoever reads it: he is to
    // drop it (Notifier::DropSignals()).
    kLeft,
  };

  virtual ~IrqRouter() = default;

  virtual Signals signals() const { return Signals::kTaken; }

  // A signal of `event` sends `message` until the registration goes. A signal
  // that the event already holds is sent at once, and may stay in the event as
  // well (KVM leaves it there): the caller holds the signals meanwhile
  // (Notifier::HoldSignals()) and drops it. One that comes after the
  // registration is gone stays in the event. Errors: no room for the route, or
  // the event is bound already.
  virtual absl::StatusOr<RegistrationPtr> Bind(
      EventHandle event, const pci::MsiMessage& message) = 0;

  struct Request {
    EventHandle event;
    pci::MsiMessage message;
  };

  // As Bind() for each of `requests`; one result for each, in their order. A
  // router whose table is replaced whole has this too, so that many vectors
  // cost one replacement.
  virtual std::vector<absl::StatusOr<RegistrationPtr>> BindAll(
      absl::Span<const Request> requests) {
    std::vector<absl::StatusOr<RegistrationPtr>> bound;
    bound.reserve(requests.size());
    for (const Request& request : requests) {
      bound.push_back(Bind(request.event, request.message));
    }
    return bound;
  }
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_IRQ_ROUTER_H_
