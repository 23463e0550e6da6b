// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/doorbell_bindings.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ivshmem {

bool DoorbellBindings::Wanted(
    std::optional<uint64_t> address,
    const std::vector<PeerTable::Connection>& connections) const {
  if (!address.has_value() || !device_.id().has_value() ||
      device_.config().interrupts == InterruptMode::kNone) {
    return false;
  }
  return accelerator_.miss_policy() ==
             DoorbellAccelerator::MissPolicy::kFallsThrough ||
         std::all_of(connections.begin(), connections.end(),
                     [](const PeerTable::Connection& connection) {
                       return connection.notifier->event().valid();
                     });
}

void DoorbellBindings::TakeDown(std::optional<uint64_t> address) {
  const std::vector<PeerTable::Connection> connections =
      device_.peers().Connections();
  if (!Wanted(address, connections) || bound_at_ != address) {
    bindings_.clear();
    return;
  }
  // Both are in the order of the doorbells.
  auto connection = connections.begin();
  for (auto it = bindings_.begin(); it != bindings_.end();) {
    while (connection != connections.end() &&
           connection->doorbell < it->first) {
      ++connection;
    }
    const bool connected = connection != connections.end() &&
                           connection->doorbell == it->first &&
                           connection->notifier == it->second.notifier;
    it = connected ? std::next(it) : bindings_.erase(it);
  }
}

void DoorbellBindings::Add(std::optional<uint64_t> address,
                           absl::FunctionRef<bool()> stale) {
  const std::vector<PeerTable::Connection> connections =
      device_.peers().Connections();
  if (!Wanted(address, connections)) return;
  bound_at_ = address;
  for (const PeerTable::Connection& connection : connections) {
    if (stale()) return;
    if (!connection.notifier->event().valid() ||
        bindings_.contains(connection.doorbell)) {
      continue;
    }
    absl::StatusOr<RegistrationPtr> registration = accelerator_.Bind(
        *address, connection.doorbell.Encode(), connection.notifier->event());
    if (registration.ok()) {
      bindings_[connection.doorbell] = {connection.notifier,
                                        *std::move(registration)};
      continue;
    }
    if (events_ != nullptr) {
      events_->OnEvent({.kind = DeviceEvent::Kind::kDoorbellNotAccelerated,
                        .doorbell = connection.doorbell,
                        .address = *address,
                        .text = registration.status().message()});
    }
    if (accelerator_.miss_policy() ==
        DoorbellAccelerator::MissPolicy::kSwallowed) {
      bindings_.clear();
      return;
    }
    if (absl::IsResourceExhausted(registration.status())) return;
  }
}

}  // namespace ivshmem
