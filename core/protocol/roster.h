// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_ROSTER_H_
#define IVSHMEM_CORE_PROTOCOL_ROSTER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "core/doorbell.h"

namespace ivshmem::protocol {

// A message for a client, and which of the server's handles goes with it.
struct Outgoing {
  enum class Handle : uint8_t {
    kNone,
    kMemory,
    kVector,  // The one that rings `vector` of the client `number`.
  };

  int64_t number = 0;
  Handle handle = Handle::kNone;
  Vector vector = 0;

  friend bool operator==(const Outgoing&, const Outgoing&) = default;
};

// The server's half of the protocol, for all its clients: who is there, and
// what each still has to be told.
//
// It keeps no queues of messages. What a client is owed follows from who is
// there now and what that client was told so far, so a slow client costs a bit
// for each peer and not a message for each change; a peer that came and went
// meanwhile costs nothing at all; and no handle is kept for a message that
// waits. Each client is told of
//   - version, id and memory;
//   - the clients that were there when it came, in the order of their coming;
//   - itself;
//   - then comings and goings, in their order. Of several changes of one id,
//     only what brings the client up to date: "gone" if it knew the old one,
//     then the new one.
//
// Threading: one thread at a time.
class Roster {
 public:
  // Each client has `vectors` vectors: 1..kMaxVectors.
  explicit Roster(int vectors);

  // A client came and gets `id`, which nobody has at the moment.
  void Join(PeerId id);

  // The client with that id has gone. Nothing if there is none.
  void Leave(PeerId id);

  bool Has(PeerId id) const { return clients_.contains(id); }
  size_t size() const { return clients_.size(); }

  // Writes into `out` what `client` is to be sent next and returns how many
  // messages these are; 0 when it knows everything. Changes nothing: the same
  // call gives the same until Sent(), Join() or Leave().
  size_t Peek(PeerId client, absl::Span<Outgoing> out) const;

  // The first `count` messages of what Peek() gave have been sent.
  void Sent(PeerId client, size_t count);

  // How many messages `client` is owed. Takes time with the number of clients.
  uint64_t Owed(PeerId client) const;

 private:
  using Serial = uint64_t;

  // How far a client has been told.
  struct Progress {
    int greeting = 0;    // Messages of the greeting.
    Serial cursor = 0;   // All changes up to this one.
    Serial current = 0;  // The change that is being told, ...
    int told = 0;        // ... how many of its messages have been, ...
    bool knew = false;   // ... and whether the first of these is "gone".
  };

  struct Client {
    Serial joined;
    Progress progress;
    std::vector<bool> knows;  // Whether it was told of that id.
  };

  // The message that follows `progress`, which is moved on; false if none.
  bool Next(PeerId id, const Client& client, Progress& progress,
            Outgoing& message) const;
  void SetKnows(Client& client, PeerId id, bool knows);
  void Record(PeerId id);
  void Forget(PeerId id);

  const int vectors_;
  Serial last_ = 0;
  absl::flat_hash_map<PeerId, Client> clients_;
  // The latest change of each id that is there, or gone and still known to
  // somebody.
  absl::btree_map<Serial, PeerId> changes_;
  absl::flat_hash_map<PeerId, Serial> latest_;
  // By how many clients an id is known.
  absl::flat_hash_map<PeerId, int> known_by_;
};

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_ROSTER_H_
