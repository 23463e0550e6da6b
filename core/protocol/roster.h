// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_ROSTER_H_
#define IVSHMEM_CORE_PROTOCOL_ROSTER_H_

#include <cassert>
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

  // A client came and gets `id`. Returns false, and nothing changes, if another
  // has that id.
  bool Join(PeerId id);

  // The client with that id has gone. Nothing if there is none.
  void Leave(PeerId id);

  // The client with that id came again, by another connection and with the same
  // handles: it is greeted and told as one that comes now, and nobody else is
  // told anything. Returns false if there is none.
  bool Return(PeerId id);

  bool Has(PeerId id) const { return clients_.contains(id); }
  size_t size() const { return clients_.size(); }

  // Writes into `out` what `client` is to be sent next, as far as there is
  // room, and returns how many messages these are; 0 when it knows everything,
  // or if there is no such client. The same call gives the same until Sent(),
  // Join() or Leave().
  size_t Peek(PeerId client, absl::Span<Outgoing> out);

  // The first `count` messages of what Peek() gave have been sent. More than
  // the client is owed counts as all of it; nothing if there is no such client.
  void Sent(PeerId client, size_t count);

  // How many messages `client` is owed; 0 if there is no such client. Takes
  // time with the number of ids that are there or were.
  uint64_t Owed(PeerId client) const;

  // How many ids are kept in mind: those that are there, and those that are
  // gone while a client was told of them and not yet that they are gone.
  size_t remembered() const {
    assert(ids_.size() == changes_.size());
    return ids_.size();
  }

 private:
  using Serial = uint64_t;
  using Changes = absl::btree_map<Serial, PeerId>;

  // How far a client has been told.
  struct Progress {
    int greeting = 0;    // Messages of the greeting.
    int own = 0;         // Its own vectors.
    Serial cursor = 0;   // All changes up to this one.
    Serial current = 0;  // The change that is being told, ...
    bool knew = false;   // ... whether its first message is "gone", ...
    int told = 0;        // ... and how many of its messages have been.
  };

  struct Client {
    Progress progress;
    Serial came = 0;  // The last change of before; then it is told of itself.
    std::vector<bool> knows;  // Whether it was told of that id.
  };

  // An id that is there, or gone and still known to somebody.
  struct Id {
    Serial changed = 0;  // When it came or went.
    int known_by = 0;    // How many clients know it.
  };

  // Goes on to `change` and returns how many messages of it are left.
  int Open(const Client& client, const Changes::value_type& change,
           Progress& progress) const;
  // Finds the message that follows `progress`, which is moved on; false if
  // there is none. `change` is the first after progress.cursor, before and
  // after.
  bool Next(PeerId id, const Client& client, Changes::const_iterator& change,
            Progress& progress, Outgoing& message) const;
  void Record(PeerId id);
  void ForgetAll(Client& client);
  void SetKnows(Client& client, PeerId id, bool knows);
  void ForgetIfUnknown(PeerId id);

  const int vectors_;
  Serial last_ = 0;
  absl::flat_hash_map<PeerId, Client> clients_;
  absl::flat_hash_map<PeerId, Id> ids_;
  Changes changes_;  // The latest of each of ids_.
};

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_ROSTER_H_
