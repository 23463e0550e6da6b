// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/hand_over.h"

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/memory_object.h"
#include "google/protobuf/message.h"
#include "google/protobuf/unknown_field_set.h"
#include "ivshmem/proto/hand_over.pb.h"

namespace ivshmem {
namespace {

constexpr uint32_t kVersion = 1;

absl::Status Invalid(absl::string_view field, absl::string_view expected,
                     absl::string_view got) {
  return absl::InvalidArgumentError(absl::StrFormat(
      "hand-over: %s: expected %s, got %s", field, expected, got));
}

absl::Status CheckKnown(absl::string_view field,
                        const google::protobuf::Message& message) {
  const google::protobuf::UnknownFieldSet& unknown =
      message.GetReflection()->GetUnknownFields(message);
  if (unknown.empty()) return absl::OkStatus();
  return Invalid(
      field, "fields that this library knows",
      absl::StrFormat("field %d, of a newer one", unknown.field(0).number()));
}

absl::Status CheckNumber(absl::string_view field, uint32_t number,
                         uint32_t least, uint32_t most) {
  if (number >= least && number <= most) return absl::OkStatus();
  return Invalid(field, absl::StrFormat("%d to %d", least, most),
                 absl::StrCat(number));
}

absl::Status Check(const state::HandOver& from) {
  if (from.version() != kVersion) {
    return Invalid("version", absl::StrCat(kVersion),
                   absl::StrCat(from.version()));
  }
  absl::Status status = CheckKnown("all", from);
  status.Update(CheckKnown("connection", from.connection()));
  status.Update(CheckNumber("id", from.id(), 0, kMaxPeers - 1));
  for (const state::HandedPeer& peer : from.peers()) {
    if (!status.ok()) return status;
    status.Update(CheckKnown("peers", peer));
    status.Update(CheckNumber("peers.id", peer.id(), 0, kMaxPeers - 1));
    status.Update(CheckNumber("peers.vectors", peer.vectors(), 1, kMaxVectors));
  }
  for (const uint32_t vector : from.earlier()) {
    status.Update(CheckNumber("earlier", vector, 0, kMaxVectors - 1));
  }
  status.Update(CheckNumber("connection.own_vectors",
                            from.connection().own_vectors(), 0, kMaxVectors));
  return status;
}

// How many descriptors belong to it.
uint64_t Descriptors(const state::HandOver& from) {
  uint64_t count = 1 + from.earlier_size();
  for (const state::HandedPeer& peer : from.peers()) count += peer.vectors();
  if (from.has_connection()) {
    count += uint64_t{1} + from.connection().descriptors();
  }
  return count;
}

// The descriptors, one after the other.
class Taker {
 public:
  explicit Taker(std::vector<UniqueFd> fds) : fds_(std::move(fds)) {}

  UniqueFd Take() { return std::move(fds_[next_++]); }

  absl::StatusOr<std::shared_ptr<EventFd>> TakeEvent(absl::string_view field) {
    absl::StatusOr<std::shared_ptr<EventFd>> event = EventFd::Adopt(Take());
    if (event.ok()) return event;
    return absl::InvalidArgumentError(
        absl::StrFormat("hand-over: %s: %s", field, event.status().message()));
  }

 private:
  std::vector<UniqueFd> fds_;
  size_t next_ = 0;
};

}  // namespace

HandOverParts TakeApart(const HandOver& hand_over) {
  const LinkHandOver& link = hand_over.link;
  state::HandOver to;
  std::vector<int> fds = {link.memory.fd()};
  to.set_version(kVersion);
  to.set_device(hand_over.device);
  to.set_identity(link.identity);
  to.set_id(link.id);
  to.set_memory_size(link.memory.size());
  for (const LinkHandOver::Peer& peer : link.peers) {
    state::HandedPeer& handed = *to.add_peers();
    handed.set_id(peer.id);
    handed.set_absent(peer.absent);
    handed.set_vectors(peer.events.size());
    for (const auto& event : peer.events) fds.push_back(event->fd());
  }
  for (const LinkHandOver::EarlierEvent& earlier : link.earlier) {
    to.add_earlier(earlier.vector);
    fds.push_back(earlier.event->fd());
  }
  if (link.connection.has_value()) {
    state::HandedConnection& handed = *to.mutable_connection();
    handed.set_messages(link.connection->messages);
    handed.set_own_vectors(link.connection->own_vectors);
    handed.set_peers_known(link.connection->peers_known);
    handed.set_bytes(link.connection->bytes.data(),
                     link.connection->bytes.size());
    handed.set_descriptors(link.connection->fds.size());
    fds.push_back(link.connection->socket.get());
    for (const UniqueFd& fd : link.connection->fds) fds.push_back(fd.get());
  }
  return {.bytes = to.SerializeAsString(), .fds = std::move(fds)};
}

absl::StatusOr<HandOver> PutTogether(absl::string_view bytes,
                                     std::vector<UniqueFd> fds) {
  state::HandOver from;
  if (!from.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Invalid("all", "a HandOver of hand_over.proto", "other bytes");
  }
  if (absl::Status status = Check(from); !status.ok()) return status;
  if (Descriptors(from) != fds.size()) {
    return Invalid("descriptors", absl::StrCat(Descriptors(from)),
                   absl::StrCat(fds.size()));
  }
  Taker taker(std::move(fds));
  absl::StatusOr<MemoryObject> memory =
      MemoryObject::Adopt(taker.Take(), from.memory_size());
  if (!memory.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("hand-over: memory: ", memory.status().message()));
  }
  HandOver to = {.device = from.device(),
                 .link = {.identity = from.identity(),
                          .id = static_cast<PeerId>(from.id()),
                          .memory = *std::move(memory),
                          .peers = {},
                          .earlier = {},
                          .connection = std::nullopt}};
  for (const state::HandedPeer& handed : from.peers()) {
    LinkHandOver::Peer& peer =
        to.link.peers.emplace_back(LinkHandOver::Peer{.events = {}});
    peer.id = static_cast<PeerId>(handed.id());
    peer.absent = handed.absent();
    for (uint32_t vector = 0; vector < handed.vectors(); ++vector) {
      auto event = taker.TakeEvent(
          absl::StrFormat("vector %d of peer %d", vector, peer.id));
      if (!event.ok()) return event.status();
      peer.events.push_back(*std::move(event));
    }
  }
  for (const uint32_t vector : from.earlier()) {
    auto event = taker.TakeEvent(absl::StrCat("earlier vector ", vector));
    if (!event.ok()) return event.status();
    to.link.earlier.push_back({static_cast<Vector>(vector), *std::move(event)});
  }
  if (!from.has_connection()) return to;
  const state::HandedConnection& handed = from.connection();
  LinkHandOver::Connection& connection =
      to.link.connection.emplace(LinkHandOver::Connection{
          .socket = taker.Take(),
          .messages = handed.messages(),
          .own_vectors = static_cast<int>(handed.own_vectors()),
          .peers_known = handed.peers_known(),
          .bytes = {handed.bytes().begin(), handed.bytes().end()},
          .fds = {}});
  for (uint32_t i = 0; i < handed.descriptors(); ++i) {
    connection.fds.push_back(taker.Take());
  }
  return to;
}

}  // namespace ivshmem
