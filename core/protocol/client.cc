// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/protocol/client.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "core/protocol/message.h"

namespace ivshmem::protocol {
namespace {

std::string Handles(size_t count) {
  if (count == 0) return "none";
  return absl::StrFormat("%d handle%s", count, count == 1 ? "" : "s");
}

bool IsId(int64_t number) { return number >= 0 && number < kMaxPeers; }

}  // namespace

absl::StatusOr<ClientEvent> Client::OnMessage(int64_t number, size_t handles) {
  if (!broken_.ok()) return broken_;
  ++messages_;
  absl::StatusOr<ClientEvent> event = Interpret(number, handles);
  broken_ = event.status();
  return event;
}

std::optional<ClientState> Client::Save() const {
  if (!joined() || !broken_.ok()) return std::nullopt;
  ClientState state = {.id = *id_,
                       .messages = messages_,
                       .vectors = {vectors_.begin(), vectors_.end()}};
  std::sort(state.vectors.begin(), state.vectors.end());
  return state;
}

absl::StatusOr<Client> Client::Resume(const ClientState& state) {
  Client client;
  client.stage_ = Stage::kJoined;
  client.id_ = state.id;
  client.messages_ = state.messages;
  for (const auto& [peer, vectors] : state.vectors) {
    if (vectors < 1 || vectors > kMaxVectors) {
      return absl::InvalidArgumentError(
          absl::StrFormat("vectors of peer %d: expected 1 to %d, got %d", peer,
                          kMaxVectors, vectors));
    }
    if (!client.vectors_.emplace(peer, vectors).second) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "vectors: expected each peer once, got %d twice", peer));
    }
  }
  return client;
}

absl::string_view Client::awaited() const {
  switch (stage_) {
    case Stage::kVersion:
      return "the protocol version";
    case Stage::kId:
      return "the client's id";
    case Stage::kMemory:
      return "the shared memory";
    case Stage::kJoined:
      break;
  }
  return "a notification";
}

absl::Status Client::Unexpected(absl::string_view expected, int64_t number,
                                size_t handles) const {
  return absl::InvalidArgumentError(
      absl::StrFormat("message %d: expected %s, got %d with %s", messages_,
                      expected, number, Handles(handles)));
}

absl::StatusOr<ClientEvent> Client::Interpret(int64_t number, size_t handles) {
  switch (stage_) {
    case Stage::kVersion:
      if (number != kVersion || handles != 0) {
        return Unexpected(
            absl::StrFormat("protocol version %d without a handle", kVersion),
            number, handles);
      }
      stage_ = Stage::kId;
      return ClientEvent{ClientEvent::Kind::kVersion};
    case Stage::kId:
      if (!IsId(number) || handles != 0) {
        return Unexpected("the client's id (0..65535 without a handle)", number,
                          handles);
      }
      id_ = static_cast<PeerId>(number);
      stage_ = Stage::kMemory;
      return ClientEvent{ClientEvent::Kind::kId, *id_};
    case Stage::kMemory:
    case Stage::kJoined:
      break;
  }
  if (number == kMemory) return Memory(handles);
  return Notification(number, handles);
}

absl::StatusOr<ClientEvent> Client::Memory(size_t handles) {
  if (stage_ == Stage::kJoined) {
    return Unexpected("a notification, as the shared memory has come before",
                      kMemory, handles);
  }
  if (handles != 1) {
    return Unexpected("the shared memory (-1 with 1 handle)", kMemory, handles);
  }
  stage_ = Stage::kJoined;
  return ClientEvent{ClientEvent::Kind::kMemory};
}

absl::StatusOr<ClientEvent> Client::Notification(int64_t number,
                                                 size_t handles) {
  if (!IsId(number) || handles > 1) {
    constexpr absl::string_view kPeer =
        "the id of a peer (0..65535 with at most 1 handle)";
    return Unexpected(
        stage_ == Stage::kJoined
            ? std::string(kPeer)
            : absl::StrFormat("the shared memory (-1 with 1 handle) or %s",
                              kPeer),
        number, handles);
  }
  using Kind = ClientEvent::Kind;
  const auto peer = static_cast<PeerId>(number);
  if (handles == 0) {
    if (peer == id_) {
      return Unexpected("a handle with this client's own id", number, handles);
    }
    const bool known = vectors_.erase(peer) != 0;
    return ClientEvent{known ? Kind::kPeerLeft : Kind::kUnknownPeerLeft, peer};
  }
  int& vectors = vectors_[peer];
  if (vectors == kMaxVectors) return ClientEvent{Kind::kSurplusVector, peer};
  return ClientEvent{peer == id_ ? Kind::kOwnVector : Kind::kPeerVector, peer,
                     static_cast<Vector>(vectors++)};
}

}  // namespace ivshmem::protocol
