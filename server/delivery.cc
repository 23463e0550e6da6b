// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/delivery.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "server/clock.h"

namespace ivshmem::server {
namespace {

using Handle = protocol::Outgoing::Handle;

// Batches that one round sends, before the loop looks at other things.
constexpr int kBatchesPerRound = 64;

// How long to wait for the kernel to allow more descriptors under way, which
// nothing tells.
constexpr absl::Duration kRetryFirst = absl::Milliseconds(1);
constexpr absl::Duration kRetryMost = absl::Milliseconds(50);

}  // namespace

absl::StatusOr<std::unique_ptr<Delivery>> Delivery::Create(
    EventLoop& loop, Clients& clients, protocol::Roster& roster, int memory,
    Owner owner) {
  auto delivery =
      absl::WrapUnique(new Delivery(clients, roster, memory, std::move(owner)));
  auto round = loop.NewTimer([self = delivery.get()] { self->Round(); });
  if (!round.ok()) return round.status();
  delivery->round_ = *std::move(round);
  auto retry = loop.NewTimer([self = delivery.get()] { self->Retry(); });
  if (!retry.ok()) return retry.status();
  delivery->retry_ = *std::move(retry);
  return delivery;
}

Delivery::Delivery(Clients& clients, protocol::Roster& roster, int memory,
                   Owner owner)
    : clients_(clients),
      roster_(roster),
      memory_(memory),
      owner_(std::move(owner)),
      retry_delay_(kRetryFirst) {}

void Delivery::Wake() {
  for (auto& [peer, client] : clients_) {
    if (client->turn() == Client::Turn::kIdle) MakeReady(peer, *client);
  }
}

void Delivery::OnRoom(PeerId peer, Client& client) {
  if (client.turn() == Client::Turn::kFull) MakeReady(peer, client);
}

void Delivery::MakeReady(PeerId peer, Client& client) {
  client.set_turn(Client::Turn::kReady);
  ready_.push_back(peer);
  if (std::exchange(round_set_, true)) return;
  round_->Set(absl::ZeroDuration());
}

void Delivery::Round() {
  owner_.before_round();
  for (int i = 0; i < kBatchesPerRound && !ready_.empty(); ++i) {
    const PeerId peer = ready_.front();
    ready_.pop_front();
    const auto it = clients_.find(peer);
    if (it == clients_.end() || it->second->turn() != Client::Turn::kReady) {
      continue;  // It left; another may have its id.
    }
    TakeTurn(peer, *it->second);
  }
  round_set_ = !ready_.empty();
  if (round_set_) round_->Set(absl::ZeroDuration());
  owner_.after_round();
}

void Delivery::TakeTurn(PeerId peer, Client& client) {
  const uint64_t before = counts_.messages;
  const Client::Sent sent = client.Send(
      peer, roster_,
      [this](const protocol::Outgoing& outgoing) { return HandleOf(outgoing); },
      counts_.messages);
  if (counts_.messages != before && sent != Client::Sent::kTooManyInFlight) {
    retry_delay_ = kRetryFirst;
    pressed_since_.reset();
  }
  switch (sent) {
    case Client::Sent::kAll:
      client.set_turn(Client::Turn::kIdle);
      break;
    case Client::Sent::kSome:
      ready_.push_back(peer);
      break;
    case Client::Sent::kFull:
      ++counts_.full_buffers;
      client.set_turn(Client::Turn::kFull);
      break;
    case Client::Sent::kTooManyInFlight:
      ++counts_.too_many_in_flight;
      client.set_turn(Client::Turn::kPressed);
      if (!pressed_since_.has_value()) pressed_since_ = MonotonicNow();
      if (std::exchange(retry_set_, true)) break;
      retry_->Set(retry_delay_);
      retry_delay_ = std::min(2 * retry_delay_, kRetryMost);
      break;
    case Client::Sent::kGone:
      owner_.gone(peer, client.Read().value_or(Departure::kBroken));
      break;
  }
}

void Delivery::Retry() {
  retry_set_ = false;
  bool pressed = false;
  for (auto& [peer, client] : clients_) {
    if (client->turn() != Client::Turn::kPressed) continue;
    MakeReady(peer, *client);
    pressed = true;
  }
  if (!pressed) pressed_since_.reset();  // Who waited has gone.
}

int Delivery::HandleOf(const protocol::Outgoing& outgoing) const {
  switch (outgoing.handle) {
    case Handle::kMemory:
      return memory_;
    case Handle::kVector:
      return clients_.at(static_cast<PeerId>(outgoing.number))
          ->event(outgoing.vector);
    case Handle::kNone:
      break;
  }
  return -1;
}

}  // namespace ivshmem::server
