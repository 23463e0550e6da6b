// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/irq_routes.h"

#include <optional>
#include <utility>

#include "absl/status/statusor.h"

namespace ivshmem {

std::shared_ptr<Notifier> IrqRoutes::Own(int vector) const {
  const std::optional<PeerId> id = device_.id();
  if (!id.has_value()) return nullptr;
  return device_.peers().Find({*id, static_cast<Vector>(vector)});
}

void IrqRoutes::TakeDown() {
  for (int vector = 0; vector < msix_.vectors(); ++vector) {
    Route& route = routes_[vector];
    if (route.notifier == nullptr) continue;
    if (msix_.Route(vector) != route.message || Own(vector) != route.notifier) {
      route = {};
    }
  }
}

void IrqRoutes::Add(absl::FunctionRef<bool()> stale) {
  for (int vector = 0; vector < msix_.vectors(); ++vector) {
    if (stale()) return;
    Route& route = routes_[vector];
    if (route.notifier != nullptr) continue;
    const std::optional<pci::MsiMessage> message = msix_.Route(vector);
    if (!message.has_value()) continue;
    std::shared_ptr<Notifier> notifier = Own(vector);
    if (notifier == nullptr || !notifier->event().valid()) continue;
    absl::StatusOr<RegistrationPtr> registration =
        router_.Bind(notifier->event(), *message);
    if (registration.ok()) {
      route = {std::move(notifier), *message, *std::move(registration)};
      continue;
    }
    if (events_ != nullptr) {
      events_->OnEvent({.kind = DeviceEvent::Kind::kInterruptNotRouted,
                        .doorbell = {.vector = static_cast<Vector>(vector)},
                        .text = registration.status().message()});
    }
    if (absl::IsResourceExhausted(registration.status())) return;
  }
}

}  // namespace ivshmem
