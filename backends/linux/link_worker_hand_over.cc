// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// How a link ends in one process and goes on in another.

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/identity.h"
#include "backends/linux/link_worker.h"

namespace ivshmem {
namespace {

absl::Status Invalid(absl::string_view field, absl::string_view expected,
                     absl::string_view got) {
  return absl::InvalidArgumentError(absl::StrFormat(
      "hand-over: %s: expected %s, got %s", field, expected, got));
}

absl::Status CheckPeer(const LinkHandOver& from,
                       const LinkHandOver::Peer& peer) {
  const std::string field = absl::StrCat("events of peer ", peer.id);
  if (peer.events.empty() || peer.events.size() > kMaxVectors) {
    return Invalid(field, absl::StrCat("1 to ", kMaxVectors),
                   absl::StrCat(peer.events.size()));
  }
  if (std::count(peer.events.begin(), peer.events.end(), nullptr) > 0) {
    return Invalid(field, "one for each vector", "a vector without");
  }
  if (peer.absent && peer.id == from.id) {
    return Invalid(absl::StrCat("peer ", peer.id),
                   "one that is there, as it is this device", "an absent one");
  }
  return absl::OkStatus();
}

absl::Status Check(const LinkHandOver& from,
                   const ServerLink::Options& options) {
  if (!IsIdentity(from.identity)) {
    return Invalid("identity", "32 lower case hexadecimal digits",
                   absl::StrCat("'", from.identity, "'"));
  }
  if (options.memory_size.has_value() &&
      *options.memory_size != from.memory.size()) {
    return Invalid("memory", absl::StrCat(*options.memory_size, " bytes"),
                   absl::StrCat(from.memory.size()));
  }
  std::set<std::pair<PeerId, bool>> seen;
  size_t descriptors = from.earlier.size();
  for (const LinkHandOver::Peer& peer : from.peers) {
    if (absl::Status status = CheckPeer(from, peer); !status.ok()) {
      return status;
    }
    if (!seen.emplace(peer.id, peer.absent).second) {
      return Invalid("peers", "each once",
                     absl::StrCat(peer.id, " a second time"));
    }
    descriptors += peer.events.size();
  }
  if (std::any_of(from.earlier.begin(), from.earlier.end(),
                  [](const LinkHandOver::EarlierEvent& earlier) {
                    return earlier.event == nullptr ||
                           earlier.vector >= kMaxVectors;
                  })) {
    return Invalid("earlier",
                   absl::StrCat("events of vectors below ", kMaxVectors),
                   "others");
  }
  if (descriptors > static_cast<size_t>(options.max_descriptors)) {
    return Invalid(
        "events",
        absl::StrCat("at most ", options.max_descriptors, " (max_descriptors)"),
        absl::StrCat(descriptors));
  }
  if (!from.connection.has_value()) return absl::OkStatus();
  // Of its own vectors the device may keep less than the server told of.
  for (const LinkHandOver::Peer& peer : from.peers) {
    if (!peer.absent && peer.id == from.id &&
        peer.events.size() >
            static_cast<size_t>(from.connection->own_vectors)) {
      return Invalid("own_vectors",
                     absl::StrCat("at least ", peer.events.size()),
                     absl::StrCat(from.connection->own_vectors));
    }
  }
  return absl::OkStatus();
}

// What the client of the connection knows: of others as many vectors as there
// are events.
protocol::ClientState ClientStateOf(const LinkHandOver& from) {
  protocol::ClientState client = {.id = from.id};
  if (!from.connection.has_value()) return client;
  client.messages = from.connection->messages;
  for (const LinkHandOver::Peer& peer : from.peers) {
    if (peer.absent || peer.id == from.id) continue;
    client.vectors.emplace_back(peer.id, static_cast<int>(peer.events.size()));
  }
  if (from.connection->own_vectors != 0) {
    client.vectors.emplace_back(from.id, from.connection->own_vectors);
  }
  return client;
}

}  // namespace

absl::StatusOr<LinkHandOver> ServerLink::Worker::HandOver() {
  {
    absl::MutexLock lock(&mutex_);
    if (closed_ || !memory_.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat(options_.socket_path,
                       ": a link can be handed over once it has "
                       "joined the server, and once only"));
    }
  }
  Revoke();
  std::optional<LinkConnection::Session> session;
  if (connection_ != nullptr && session_joined_) {
    session = connection_->Release();
  } else if (adopted_.has_value()) {
    session = std::exchange(adopted_, std::nullopt);
  }
  connection_.reset();

  std::shared_ptr<DeviceAttachment> attachment;
  {
    absl::MutexLock lock(&mutex_);
    attachment = peers_.attachment();
  }
  std::vector<DeviceAttachment::OwnEvent> earlier;
  if (attachment != nullptr) earlier = attachment->Stop();

  absl::MutexLock lock(&mutex_);
  over_ = true;
  LinkHandOver to = {.identity = identity_, .memory = *std::move(memory_)};
  memory_.reset();
  peers_.HandOver(to);
  for (DeviceAttachment::OwnEvent& own : earlier) {
    to.earlier.push_back({own.vector, std::move(own.event)});
  }
  if (!session.has_value()) return to;
  to.connection = {.socket = std::move(session->socket),
                   .messages = session->client.messages,
                   .peers_known = peers_known_,
                   .bytes = std::move(session->rest.bytes),
                   .fds = std::move(session->rest.handles)};
  for (const auto& [peer, vectors] : session->client.vectors) {
    if (peer == to.id) to.connection->own_vectors = vectors;
  }
  return to;
}

absl::Status ServerLink::Worker::Adopt(LinkHandOver from) {
  protocol::ClientState client = ClientStateOf(from);
  absl::Status status = Check(from, options_);
  if (!status.ok()) return status;
  if (from.connection.has_value()) {
    adopted_ = {.socket = std::move(from.connection->socket),
                .client = std::move(client),
                .rest = {std::move(from.connection->bytes),
                         std::move(from.connection->fds)}};
    status = LinkConnection::Check(*adopted_);
    if (!status.ok()) return status;
    session_joined_ = true;
    session_id_ = from.id;
    peers_known_ = from.connection->peers_known;
  }
  absl::StatusOr<MappedMemory> mapped = from.memory.Map();
  if (!mapped.ok()) return mapped.status();
  absl::MutexLock lock(&mutex_);
  mapped_ = *std::move(mapped);
  identity_ = from.identity;
  id_ = from.id;
  peers_.Adopt(from);
  memory_ = std::move(from.memory);
  return absl::OkStatus();
}

}  // namespace ivshmem
