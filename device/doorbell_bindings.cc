// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/doorbell_bindings.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ivshmem {

std::vector<PeerTable::Connection> DoorbellBindings::Connections() const {
  std::vector<PeerTable::Connection> connections =
      device_.peers().Connections();
  std::erase_if(connections, [this](const PeerTable::Connection& connection) {
    return !device_.MayRing(connection.doorbell);
  });
  return connections;
}

bool DoorbellBindings::Wanted(
    std::optional<uint64_t> address,
    const std::vector<PeerTable::Connection>& connections) const {
  if (!address.has_value() || !device_.id().has_value() ||
      device_.config().interrupts == InterruptMode::kNone) {
    return false;
  }
  return !AllOrNone() ||
         std::all_of(connections.begin(), connections.end(),
                     [](const PeerTable::Connection& connection) {
                       return connection.notifier->event().valid();
                     });
}

DoorbellBindings::Bindings::iterator DoorbellBindings::Erase(
    Bindings::iterator binding) {
  turns_.erase(binding->second.turn);
  return bindings_.erase(binding);
}

void DoorbellBindings::Clear() {
  bindings_.clear();
  turns_.clear();
}

bool DoorbellBindings::TakeDown(std::optional<uint64_t> address, int most) {
  if (bindings_.empty()) return true;
  // Before the peers are looked at: what departs after this comes again.
  const uint64_t departures = device_.peers().departures();
  if (!AllOrNone() && address.has_value() && bound_at_ == address &&
      device_.id().has_value() && departures == checked_departures_) {
    return true;
  }
  const std::vector<PeerTable::Connection> connections = Connections();
  const bool none = !Wanted(address, connections) || bound_at_ != address;
  if (none && AllOrNone()) {
    Clear();
    return true;
  }
  // Both are in the order of the doorbells.
  auto connection = connections.begin();
  for (auto it = bindings_.begin(); it != bindings_.end();) {
    while (connection != connections.end() &&
           connection->doorbell < it->first) {
      ++connection;
    }
    const bool stays = !none && connection != connections.end() &&
                       connection->doorbell == it->first &&
                       connection->notifier == it->second.notifier;
    if (stays) {
      ++it;
      continue;
    }
    if (--most < 0 && !AllOrNone()) return false;
    it = Erase(it);
  }
  // A ring of one that has come since would be swallowed until it is bound.
  if (AllOrNone() && bindings_.size() != connections.size()) Clear();
  checked_departures_ = departures;
  return true;
}

bool DoorbellBindings::Add(std::optional<uint64_t> address,
                           absl::FunctionRef<bool()> stale) {
  crowded_ = false;
  const std::vector<PeerTable::Connection> connections = Connections();
  if (!Wanted(address, connections)) return true;
  // The register has moved since TakeDown().
  if (!bindings_.empty() && bound_at_ != address) return false;
  bound_at_ = address;
  for (const PeerTable::Connection& connection : connections) {
    if (stale()) return false;
    if (!connection.notifier->event().valid() ||
        bindings_.contains(connection.doorbell)) {
      continue;
    }
    const absl::Status status =
        Bind(*address, connection.doorbell, connection.notifier);
    if (status.ok()) continue;
    if (events_ != nullptr) {
      events_->OnEvent({.kind = DeviceEvent::Kind::kDoorbellNotAccelerated,
                        .doorbell = connection.doorbell,
                        .address = *address,
                        .text = status.message()});
    }
    if (AllOrNone()) {
      Clear();
      return true;
    }
    if (absl::IsResourceExhausted(status)) {
      crowded_ = true;
      return true;
    }
  }
  return true;
}

void DoorbellBindings::TakeTurn(std::optional<uint64_t> address,
                                Doorbell doorbell) {
  // Bound elsewhere or nowhere: Add() comes before turns.
  if (!crowded_ || !address.has_value() || bound_at_ != address ||
      bindings_.contains(doorbell)) {
    return;
  }
  std::shared_ptr<Notifier> notifier = device_.peers().Find(doorbell);
  if (notifier == nullptr || !notifier->event().valid()) return;
  // There may be room again by now. If not, and if whoever else wants room is
  // faster than this, the place is lost until there is.
  if (!absl::IsResourceExhausted(Bind(*address, doorbell, notifier)) ||
      turns_.empty()) {
    return;
  }
  Erase(bindings_.find(turns_.begin()->second));
  Bind(*address, doorbell, std::move(notifier)).IgnoreError();
}

absl::Status DoorbellBindings::Bind(uint64_t address, Doorbell doorbell,
                                    std::shared_ptr<Notifier> notifier) {
  absl::StatusOr<RegistrationPtr> registration =
      accelerator_.Bind(address, doorbell.Encode(), notifier->event());
  if (registration.ok()) {
    const uint64_t turn = next_turn_++;
    bindings_[doorbell] = {std::move(notifier), *std::move(registration), turn};
    turns_.emplace(turn, doorbell);
    return absl::OkStatus();
  }
  return registration.status();
}

}  // namespace ivshmem
