// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/irq_routes.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ivshmem {

std::shared_ptr<Notifier> IrqRoutes::Own(int vector) const {
  const std::optional<PeerId> id = device_.id();
  if (!id.has_value()) return nullptr;
  return device_.peers().Find({*id, static_cast<Vector>(vector)});
}

IrqRoutes::~IrqRoutes() {
  for (Route& route : routes_) {
    if (route.notifier != nullptr) Remove(route);
  }
}

void IrqRoutes::Remove(Route& route) {
  const bool left = router_.signals() == IrqRouter::Signals::kLeft;
  if (left) {
    route.notifier->HoldSignals();
    // What is there was sent. A signal that comes before the route goes is sent
    // and stays: rather twice than never.
    route.notifier->DropSignals(true);
  }
  route.registration = nullptr;  // Before its event.
  if (left) {
    route.notifier->DropSignals(false);
    route.notifier->ReleaseSignals(/*sent=*/false);
  }
  route = {};
}

IrqRoutes::Route IrqRoutes::Wanted(int vector) const {
  const std::optional<pci::MsiMessage> message = msix_.Route(vector);
  if (!message.has_value()) return {};
  std::shared_ptr<Notifier> notifier = Own(vector);
  if (notifier == nullptr || !notifier->event().valid()) return {};
  return {std::move(notifier), *message, nullptr};
}

void IrqRoutes::TakeDown() {
  for (int vector = 0; Route & route : routes_) {
    if (route.notifier != nullptr) {
      const Route wanted = Wanted(vector);
      if (wanted.notifier != route.notifier ||
          wanted.message != route.message) {
        Remove(route);
      }
    }
    ++vector;
  }
}

void IrqRoutes::Add() {
  std::vector<IrqRouter::Request> requests;
  std::vector<std::pair<int, Route>> added;
  for (int vector = 0; const Route& route : routes_) {
    Route wanted = route.notifier == nullptr ? Wanted(vector) : Route();
    if (wanted.notifier != nullptr) {
      requests.push_back({wanted.notifier->event(), wanted.message});
      added.emplace_back(vector, std::move(wanted));
    }
    ++vector;
  }
  if (requests.empty()) return;
  // What an event holds now is sent once, by the router or by who reads it.
  for (auto& [vector, route] : added) route.notifier->HoldSignals();
  std::vector<absl::StatusOr<RegistrationPtr>> bound =
      router_.BindAll(requests);
  const bool left = router_.signals() == IrqRouter::Signals::kLeft;
  bool told = false;  // One event tells of all that failed at once.
  for (size_t i = 0; i < bound.size(); ++i) {
    auto& [vector, route] = added[i];
    if (bound[i].ok() && left) route.notifier->DropSignals(true);
    route.notifier->ReleaseSignals(/*sent=*/bound[i].ok());
    if (bound[i].ok()) {
      route.registration = *std::move(bound[i]);
      routes_[vector] = std::move(route);
    } else if (events_ != nullptr && !std::exchange(told, true)) {
      events_->OnEvent({.kind = DeviceEvent::Kind::kInterruptNotRouted,
                        .doorbell = {.vector = static_cast<Vector>(vector)},
                        .text = bound[i].status().message()});
    }
  }
}

}  // namespace ivshmem
