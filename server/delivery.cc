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

// Batches that one client gets in its turn: more than its socket's buffer
// holds, so that the next is begun when this one has something to read.
constexpr int kBatchesPerTurn = 3;

// Clients that may have full buffers, unread, before others are begun. Filled
// ahead for a thousand who cannot all read at once, the buffers outgrow the
// processor's caches, and each message costs server and clients a third more.
// Two, so that one is there to be told more while the other's buffer is full.
constexpr size_t kFewestReaders = 2;

// How long the server idles for these to read while others wait. Then nobody
// waits for them again until they know everything; and the next wait is for
// twice as many, so that a thousand who do not read hold up the others ten
// times.
constexpr absl::Duration kReadersPatience = absl::Milliseconds(25);

// What a message sent adds to the patience that is left: readers who keep up
// with the server are waited for all the time, those who read slowly are not.
constexpr absl::Duration kPatiencePerMessage = absl::Microseconds(3);

// After so long a reader whose buffer was filled has probably read much of it,
// and is sent more: to tell the server of room each time would cost it a tenth
// of what reading does. Who has read less than so many messages by then is
// waited for; and so are all but a few.
constexpr absl::Duration kRefillAfter = absl::Microseconds(100);
constexpr uint64_t kWorthATurn = 16;
constexpr size_t kMostFilled = 2;

// However many go on, one that is not yet begun has its turn so often. (Counted
// in turns, that would begin more than come to their end, the more there is to
// tell each.)
constexpr absl::Duration kBeginEvery = absl::Milliseconds(25);

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
      most_readers_(kFewestReaders),
      patience_(kReadersPatience),
      retry_delay_(kRetryFirst) {}

void Delivery::Wake() {
  for (auto& [peer, client] : clients_) {
    if (client->turn() == Client::Turn::kIdle) MakeReady(peer, *client);
  }
}

void Delivery::OnRoom(PeerId peer, Client& client) {
  if (client.turn() != Client::Turn::kFull) return;
  if (readers_.erase(peer) == 0) return MakeReady(peer, client);
  most_readers_ = kFewestReaders;
  client.set_turn(Client::Turn::kReady);
  going_on_.push_back(peer);
  SetRound();
}

void Delivery::OnLeft(PeerId peer) {
  slow_.erase(peer);
  if (readers_.erase(peer) > 0 && !ready_.empty()) SetRound();
  Wake();
}

void Delivery::MakeReady(PeerId peer, Client& client) {
  client.set_turn(Client::Turn::kReady);
  ready_.push_back(peer);
  if (!round_set_) SetRound();
}

void Delivery::SetRound() {
  round_set_ = true;
  absl::Duration delay = absl::ZeroDuration();
  if (going_on_.empty() && readers_.size() >= most_readers_) {
    const absl::Time now = MonotonicNow();
    if (!idle_since_.has_value()) idle_since_ = now;
    delay = *idle_since_ + patience_ - now;
    if (!filled_.empty()) delay = std::min(delay, refill_ - now);
  }
  round_->Set(delay);
}

void Delivery::Refill() {
  for (const PeerId peer : filled_) {
    const auto it = clients_.find(peer);
    if (it == clients_.end() || it->second->turn() == Client::Turn::kAway) {
      continue;  // It left.
    }
    // Another that has its id now may have a turn as well.
    readers_.erase(peer);
    it->second->set_turn(Client::Turn::kReady);
    going_on_.push_back(peer);
  }
  filled_.clear();
}

std::deque<PeerId>* Delivery::NextQueue() {
  const absl::Time now = MonotonicNow();
  const bool overdue = !ready_.empty() && now - begun_ >= kBeginEvery;
  const bool may_begin = !ready_.empty() && readers_.size() < most_readers_;
  if (!overdue && going_on_.empty() && !may_begin) return nullptr;
  if (!overdue && !going_on_.empty()) return &going_on_;
  begun_ = now;
  return &ready_;
}

void Delivery::Round() {
  owner_.before_round();
  if (idle_since_.has_value()) {
    patience_ -= MonotonicNow() - *idle_since_;
    idle_since_.reset();
    if (patience_ <= absl::ZeroDuration()) StopWaiting();
  }
  if (!filled_.empty() && MonotonicNow() >= refill_) Refill();
  int refusals = 0;
  int batches = 0;
  while (batches < kBatchesPerRound) {
    std::deque<PeerId>* const queue = NextQueue();
    if (queue == nullptr) break;
    const PeerId peer = queue->front();
    queue->pop_front();
    const auto it = clients_.find(peer);
    if (it == clients_.end() || !it->second->in_queue()) {
      continue;  // It left; another may have its id.
    }
    if (!TakeTurn(peer, *it->second, batches) && ++refusals == kMostRefusals) {
      break;
    }
  }
  round_set_ = refusals == kMostRefusals;
  if (round_set_) {
    round_->Set(retry_delay_);
    retry_delay_ = std::min(2 * retry_delay_, kRetryMost);
  } else if (!ready_.empty() || !going_on_.empty()) {
    SetRound();
  } else {
    pressed_since_.reset();  // If any waited for the kernel, they have gone.
    if (!filled_.empty()) round_->Set(refill_ - MonotonicNow());
  }
  owner_.after_round();
}

void Delivery::StopWaiting() {
  slow_.insert(readers_.begin(), readers_.end());
  readers_.clear();
  most_readers_ = std::min<size_t>(2 * most_readers_, kMaxPeers);
  patience_ = kReadersPatience;
}

bool Delivery::TakeTurn(PeerId peer, Client& client, int& batches) {
  const uint64_t before = counts_.messages;
  const int most = batches + kBatchesPerTurn;
  Client::Sent sent;
  do {
    sent = client.Send(
        peer, roster_,
        [this](const protocol::Outgoing& message) { return HandleOf(message); },
        counts_.messages);
  } while (++batches < most && sent == Client::Sent::kSome);
  if (sent == Client::Sent::kTooManyInFlight) {
    ++counts_.too_many_in_flight;
    if (!pressed_since_.has_value()) pressed_since_ = MonotonicNow();
    client.set_turn(Client::Turn::kPressed);
    ready_.push_back(peer);
    return false;
  }
  if (const uint64_t messages = counts_.messages - before; messages > 0) {
    patience_ =
        std::min(kReadersPatience, patience_ + messages * kPatiencePerMessage);
    retry_delay_ = kRetryFirst;
    pressed_since_.reset();
  }
  switch (sent) {
    case Client::Sent::kAll:
      client.set_turn(Client::Turn::kIdle);
      slow_.erase(peer);
      break;
    case Client::Sent::kFull:
      ++counts_.full_buffers;
      OnFull(peer, client, counts_.messages - before);
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

void Delivery::OnFull(PeerId peer, Client& client, uint64_t sent) {
  const bool reader = !slow_.contains(peer);
  if (reader) readers_.insert(peer);
  if (!reader || sent < kWorthATurn || filled_.size() >= kMostFilled) {
    client.set_turn(Client::Turn::kFull);
    return;
  }
  client.set_turn(Client::Turn::kFilled);
  if (filled_.empty()) refill_ = MonotonicNow() + kRefillAfter;
  filled_.push_back(peer);
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
