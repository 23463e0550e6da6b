// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_CLIENT_H_
#define IVSHMEM_CORE_PROTOCOL_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/doorbell.h"

namespace ivshmem::protocol {

// What a message from the server means. The handle that came with it is the
// caller's throughout: to keep where a kind says so, else to close.
struct ClientEvent {
  enum class Kind : uint8_t {
    kVersion,
    kId,             // `peer`: this client's own.
    kMemory,         // The handle is the shared memory.
    kPeerVector,     // The handle rings `vector` of `peer`.
    kOwnVector,      // The handle is what peers ring this client's `vector` by.
    kSurplusVector,  // Of `peer`, past kMaxVectors: no doorbell can name it.
    kPeerLeft,       // `peer`, which was there.
    // `peer`, of which nothing was known: a server that could not tell a slow
    // client of a peer's coming may still tell it of its leaving.
    kUnknownPeerLeft,
  };

  Kind kind;
  // 0 where the kind does not name it.
  PeerId peer = 0;
  Vector vector = 0;

  friend bool operator==(const ClientEvent&, const ClientEvent&) = default;
};

// What a joined client knows of its connection, for who goes on with it in
// another process: plain values, which may come from anywhere.
struct ClientState {
  PeerId id = 0;
  uint64_t messages = 0;  // That have come.
  // How many vectors each peer has, this client among them.
  std::vector<std::pair<PeerId, int>> vectors;

  friend bool operator==(const ClientState&, const ClientState&) = default;
};

// The client's half of one connection: says what each message means, or that
// the server broke the protocol. Strict where the specification is ("both
// client and server close the connection on error"), and as tolerant of order
// as QEMU's device: after version and id, peers and vectors may come before
// the memory.
//
// Threading: one thread at a time.
class Client {
 public:
  // `number` came with `handles` handles. An error is final: it names the
  // message, what was expected and what came, and every later call gives the
  // same error.
  absl::StatusOr<ClientEvent> OnMessage(int64_t number, size_t handles);

  // For Resume(); nullopt before it has joined, or when the server broke the
  // protocol. Peers are in the order of their ids.
  std::optional<ClientState> Save() const;

  // One that goes on where another was saved. Errors: InvalidArgument that
  // names the field, what was expected and what came.
  static absl::StatusOr<Client> Resume(const ClientState& state);

  // Whether version, id and memory have come: what a device needs to start.
  bool joined() const { return stage_ == Stage::kJoined; }

  // What the client waits for (or waited for when the server broke the
  // protocol), for the error of a deadline: "the protocol version", "the
  // client's id", "the shared memory"; "a notification" once joined.
  absl::string_view awaited() const;

  // This client's id, once it has come.
  std::optional<PeerId> id() const { return id_; }

 private:
  enum class Stage : uint8_t { kVersion, kId, kMemory, kJoined };

  absl::StatusOr<ClientEvent> Interpret(int64_t number, size_t handles);
  absl::StatusOr<ClientEvent> Memory(size_t handles);
  absl::StatusOr<ClientEvent> Notification(int64_t number, size_t handles);
  absl::Status Unexpected(absl::string_view expected, int64_t number,
                          size_t handles) const;

  Stage stage_ = Stage::kVersion;
  uint64_t messages_ = 0;
  std::optional<PeerId> id_;
  absl::Status broken_;
  // How many vectors each peer has, this client among them; at most
  // kMaxVectors.
  absl::flat_hash_map<PeerId, int> vectors_;
};

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_CLIENT_H_
