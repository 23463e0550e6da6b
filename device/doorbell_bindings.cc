// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/doorbell_bindings.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace ivshmem {

namespace {

std::vector<PeerTable::Connection> ThoseItMayRing(
    const Device& device, std::vector<PeerTable::Connection> connections) {
  std::erase_if(connections, [&](const PeerTable::Connection& connection) {
    return !device.MayRing(connection.doorbell);
  });
  return connections;
}

}  // namespace

std::vector<PeerTable::Connection> DoorbellBindings::Connections() const {
  return ThoseItMayRing(device_, device_.peers().Connections());
}

std::vector<PeerTable::Connection> DoorbellBindings::ConnectionsSince(
    uint64_t& since) const {
  return ThoseItMayRing(device_, device_.peers().ConnectionsSince(since));
}

bool DoorbellBindings::Rings(std::optional<uint64_t> address) const {
  return address.has_value() && device_.id().has_value() &&
         device_.config().interrupts != InterruptMode::kNone;
}

bool DoorbellBindings::CanBind(
    const std::vector<PeerTable::Connection>& connections) const {
  return !AllOrNone() ||
         std::all_of(connections.begin(), connections.end(),
                     [](const PeerTable::Connection& connection) {
                       return connection.notifier->event().valid();
                     });
}

void DoorbellBindings::TakeDown(std::optional<uint64_t> address, int most) {
  if (bindings_.empty()) return;
  // Before the peers are looked at: what departs after this comes again.
  const uint64_t departures = device_.peers().departures();
  if (!AllOrNone() && bound_at_ == address && device_.id().has_value() &&
      departures == checked_departures_) {
    return;
  }
  bound_until_ = 0;
  const std::vector<PeerTable::Connection> connections = Connections();
  const bool none = !Rings(address) || bound_at_ != address;
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
    if (--most < 0 && !AllOrNone()) return;
    it = bindings_.erase(it);
  }
  // A ring of one that has come since would be swallowed until it is bound, and
  // of one that cannot be.
  if (AllOrNone() && bindings_.size() != connections.size()) bindings_.clear();
  checked_departures_ = departures;
}

void DoorbellBindings::Add(std::optional<uint64_t> address,
                           absl::FunctionRef<bool()> stale) {
  uint64_t until = std::exchange(bound_until_, 0);
  if (AllOrNone() || bound_at_ != address) until = 0;
  const bool was_crowded = until != 0 && crowded_;
  crowded_ = false;
  // The register has moved since TakeDown(), which comes again.
  const bool elsewhere = !bindings_.empty() && bound_at_ != address;
  if (!Rings(address) || elsewhere) return;
  crowded_ = was_crowded;
  const std::vector<PeerTable::Connection> connections =
      ConnectionsSince(until);
  if (!CanBind(connections)) return;
  bound_at_ = address;
  const size_t bound = bindings_.size();
  if (!BindMissing(*address, connections, stale)) return;
  if (was_crowded && bindings_.size() > bound) {
    // There is room again, for those that were there before, too.
    crowded_ = false;
    if (!BindMissing(*address, Connections(), stale)) return;
  }
  bound_until_ = until;
}

bool DoorbellBindings::BindMissing(
    uint64_t address, const std::vector<PeerTable::Connection>& connections,
    absl::FunctionRef<bool()> stale) {
  for (const PeerTable::Connection& connection : connections) {
    if (stale()) return false;
    if (!connection.notifier->event().valid() ||
        bindings_.contains(connection.doorbell)) {
      continue;
    }
    const absl::Status status =
        Bind(address, connection.doorbell, connection.notifier);
    if (status.ok()) continue;
    if (events_ != nullptr) {
      events_->OnEvent({.kind = DeviceEvent::Kind::kDoorbellNotAccelerated,
                        .doorbell = connection.doorbell,
                        .address = address,
                        .text = status.message()});
    }
    if (AllOrNone()) {
      bindings_.clear();
      break;
    }
    if (absl::IsResourceExhausted(status)) {
      crowded_ = true;
      break;
    }
  }
  return true;
}

void DoorbellBindings::TakeTurn(std::optional<uint64_t> address,
                                Doorbell doorbell) {
  // Bound elsewhere or nowhere: Add() comes before turns.
  if (!crowded_ || bound_at_ != address || bindings_.contains(doorbell)) return;
  std::shared_ptr<Notifier> notifier = device_.peers().Find(doorbell);
  if (notifier == nullptr || !notifier->event().valid()) return;
  // There may be room again by now. If not, and if whoever else wants room is
  // faster than this, the place is lost until there is.
  if (!absl::IsResourceExhausted(Bind(*address, doorbell, notifier)) ||
      bindings_.empty()) {
    return;
  }
  bindings_.erase(std::min_element(bindings_.begin(), bindings_.end(),
                                   [](const auto& a, const auto& b) {
                                     return a.second.turn < b.second.turn;
                                   }));
  Bind(*address, doorbell, std::move(notifier)).IgnoreError();
}

absl::Status DoorbellBindings::Bind(uint64_t address, Doorbell doorbell,
                                    std::shared_ptr<Notifier> notifier) {
  absl::StatusOr<RegistrationPtr> registration =
      accelerator_.Bind(address, doorbell.Encode(), notifier->event());
  if (registration.ok()) {
    bindings_[doorbell] = {std::move(notifier), *std::move(registration),
                           next_turn_++};
    return absl::OkStatus();
  }
  return registration.status();
}

}  // namespace ivshmem
