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

// After so many refusals of the kernel, a round ends: the next clients would be
// refused too, unless they are only told of who left.
constexpr int kMostRefusals = 8;

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
  int refusals = 0;
  for (int i = 0; i < kBatchesPerRound && !ready_.empty(); ++i) {
    const PeerId peer = ready_.front();
    ready_.pop_front();
    const auto it = clients_.find(peer);
    if (it == clients_.end() || !it->second->in_queue()) {
      continue;  // It left; another may have its id.
    }
    if (!TakeTurn(peer, *it->second) && ++refusals == kMostRefusals) break;
  }
  round_set_ = !ready_.empty();
  if (refusals == kMostRefusals) {
    round_->Set(retry_delay_);
    retry_delay_ = std::min(2 * retry_delay_, kRetryMost);
  } else if (round_set_) {
    round_->Set(absl::ZeroDuration());
  } else {
    pressed_since_.reset();  // If any waited for the kernel, they have gone.
  }
  owner_.after_round();
}

bool Delivery::TakeTurn(PeerId peer, Client& client) {
  const uint64_t before = counts_.messages;
  const Client::Sent sent = client.Send(
      peer, roster_,
      [this](const protocol::Outgoing& outgoing) { return HandleOf(outgoing); },
      counts_.messages);
  if (sent == Client::Sent::kTooManyInFlight) {
    ++counts_.too_many_in_flight;
    if (!pressed_since_.has_value()) pressed_since_ = MonotonicNow();
    client.set_turn(Client::Turn::kPressed);
    ready_.push_back(peer);
    return false;
  }
  if (counts_.messages != before) {
    retry_delay_ = kRetryFirst;
    pressed_since_.reset();
  }
  switch (sent) {
    case Client::Sent::kAll:
      client.set_turn(Client::Turn::kIdle);
      break;
    case Client::Sent::kFull:
      ++counts_.full_buffers;
      client.set_turn(Client::Turn::kFull);
      break;
    case Client::Sent::kGone:
      owner_.gone(peer, client.Read().value_or(Departure::kBroken));
      break;
    default:
      client.set_turn(Client::Turn::kReady);
      ready_.push_back(peer);
      break;
  }
  return true;
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
