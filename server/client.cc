// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/client.h"

#include <array>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/types/span.h"
#include "server/clock.h"

namespace ivshmem::server {

using unix_socket::Condition;
using unix_socket::kMaxBatch;

namespace {

// Room for 85 messages. More of them only wait outside the processor's caches
// (docs/performance.md).
constexpr int kSendBuffer = 32 << 10;

// Room for 426; Linux' default is 278. The kernel tells of room once three
// quarters are free, so it has to be more than four times as much.
constexpr int kRoomySendBuffer = 160 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(
    UniqueFd socket, const unix_socket::Credentials& who, std::string owner,
    int vectors) {
  auto client =
      absl::WrapUnique(new Client(std::move(socket), who, std::move(owner)));
  client->events_.reserve(vectors);
  for (int vector = 0; vector < vectors; ++vector) {
    absl::StatusOr<std::shared_ptr<EventFd>> event = EventFd::Create();
    if (!event.ok()) return event.status();
    client->events_.push_back(*std::move(event));
  }
  return client;
}

Client::Client(UniqueFd socket, const unix_socket::Credentials& who,
               std::string owner)
    : socket_(std::move(socket)),
      who_(who),
      owner_(std::move(owner)),
      joined_(MonotonicNow()),
      progress_(joined_) {
  unix_socket::SetSendBuffer(socket_.get(), kSendBuffer);
}

void Client::GoAway() {
  watch_.reset();
  socket_.Reset();
  turn_ = Turn::kAway;
  unread_ = 0;
}

std::unique_ptr<Client> Client::Return(UniqueFd socket,
                                       const unix_socket::Credentials& who) {
  auto client = absl::WrapUnique(new Client(std::move(socket), who, owner_));
  client->events_ = std::move(events_);
  return client;
}

absl::Status Client::Watch(EventLoop& loop, EventLoop::Ready ready) {
  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch =
      loop.NewWatch(socket_.get(), EPOLLIN, std::move(ready));
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  return absl::OkStatus();
}

Client::Sent Client::Send(PeerId id, protocol::Roster& roster,
                          HandleOf handle_of, uint64_t& messages) {
  std::array<unix_socket::Message, kMaxBatch> batch;
  std::array<protocol::Outgoing, kMaxBatch> outgoing;
  size_t cut = 0;
  if (cut_bytes_ != 0) batch[cut++] = {.number = cut_number_};
  const size_t owed =
      roster.Peek(id, absl::MakeSpan(outgoing).subspan(0, kMaxBatch - cut));
  for (size_t i = 0; i < owed; ++i) {
    batch[cut + i] = {.number = outgoing[i].number,
                      .fd = handle_of(outgoing[i])};
  }
  const size_t count = cut + owed;
  if (count == 0) return Sent::kAll;

  const absl::StatusOr<unix_socket::SendResult> result =
      unix_socket::SendMessages(socket_.get(),
                                absl::MakeConstSpan(batch).subspan(0, count),
                                cut_bytes_);
  if (!result.ok()) return Sent::kGone;
  size_t sent = result->messages;
  messages += sent;
  cut_bytes_ = result->bytes;
  if (cut_bytes_ > 0) {
    // A message that has begun counts as told: its descriptor is there.
    cut_number_ = batch[sent].number;
    ++sent;
  }
  if (sent > cut) roster.Sent(id, sent - cut);
  if (result->messages > 0) progress_ = MonotonicNow();

  switch (result->condition) {
    case Condition::kOk:
      return result->messages == count && count < kMaxBatch ? Sent::kAll
                                                            : Sent::kSome;
    case Condition::kWouldBlock:
      return Sent::kFull;
    case Condition::kTooManyInFlight:
      return Sent::kTooManyInFlight;
    case Condition::kClosed:
      break;
  }
  return Sent::kGone;
}

std::optional<Departure> Client::Read() {
  std::array<uint8_t, 8> bytes;
  const absl::StatusOr<unix_socket::Received> received =
      unix_socket::Receive(socket_.get(), absl::MakeSpan(bytes));
  if (!received.ok()) return Departure::kBroken;
  switch (received->condition) {
    case Condition::kWouldBlock:
      return std::nullopt;
    case Condition::kClosed:
      return Departure::kHungUp;
    default:
      return Departure::kSpoke;
  }
}

void Client::Sample(absl::Time now) {
  const int unread = unix_socket::Unread(socket_.get());
  if (unread == 0 || unread < unread_) progress_ = now;
  unread_ = unread;
}

void Client::GiveRoom() {
  if (roomy_) return;
  roomy_ = true;
  unix_socket::SetSendBuffer(socket_.get(), kRoomySendBuffer);
}

void Client::set_turn(Turn turn) {
  const bool was_full = turn_ == Turn::kFull;
  turn_ = turn;
  if (was_full == (turn == Turn::kFull)) return;
  watch_->SetEvents(was_full ? EPOLLIN : EPOLLIN | EPOLLOUT);
}

}  // namespace ivshmem::server
