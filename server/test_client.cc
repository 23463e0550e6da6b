// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/test_client.h"

#include <array>
#include <filesystem>
#include <iterator>

#include "absl/types/span.h"
#include "backends/linux/unix_socket.h"

namespace ivshmem::server {

using Kind = protocol::ClientEvent::Kind;

int TestClient::Read(int most) {
  int messages = 0;
  while (messages != most && !closed_ && error_.ok()) {
    std::array<uint8_t, protocol::kMessageBytes> buffer;
    auto received = unix_socket::Receive(
        socket_.get(), absl::MakeSpan(buffer).subspan(0, reader_.missing()));
    if (!received.ok() ||
        received->condition == unix_socket::Condition::kClosed) {
      closed_ = true;
      break;
    }
    if (received->condition != unix_socket::Condition::kOk) break;
    reader_.Feed(absl::MakeSpan(buffer).subspan(0, received->bytes),
                 std::move(received->fds), [&](auto message) {
                   ++messages;
                   Take(std::move(message));
                 });
  }
  return messages;
}

void TestClient::Take(protocol::MessageReader<UniqueFd>::Message message) {
  const auto event =
      protocol_.OnMessage(message.number, message.handles.size());
  if (!event.ok()) {
    error_ = event.status();
    return;
  }
  told_.push_back(*event);
  switch (event->kind) {
    case Kind::kMemory:
      memory_ = std::move(message.handles[0]);
      break;
    case Kind::kPeerVector:
    case Kind::kOwnVector: {
      const PeerId peer = event->kind == Kind::kOwnVector ? *id() : event->peer;
      ++peers_[peer];
      ++known_;
      if (vectors_ == Vectors::kKeep) {
        events_[{peer, event->vector}] = std::move(message.handles[0]);
      }
      break;
    }
    case Kind::kPeerLeft:
      known_ -= peers_.at(event->peer);
      peers_.erase(event->peer);
      std::erase_if(events_, [&](const auto& entry) {
        return entry.first.first == event->peer;
      });
      break;
    case Kind::kUnknownPeerLeft:
      error_ = absl::InternalError("told of the leaving of who never was");
      break;
    default:
      break;
  }
}

int OpenDescriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<int>(
      std::distance(all, std::filesystem::directory_iterator()));
}

}  // namespace ivshmem::server
