// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_IDS_H_
#define IVSHMEM_SERVER_IDS_H_

#include <optional>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/doorbell.h"
#include "core/protocol/id_pool.h"

namespace ivshmem::server {

// Which id a client gets: the one that is kept for it (see IdPool), else the
// lowest that is free, and never one that a fragile client has known as
// another's.
//
// A fragile client is one as QEMU's device, which corrupts its heap and dies
// when it is told of an id again that it was told had gone (docs/adr/0007). So
// an id whose client has gone rests until all fragile ones that were there then
// have gone too.
//
// Threading: one thread at a time. Times are of one clock that never goes back.
class Ids {
 public:
  // Gives 0..size-1.
  explicit Ids(int size = kMaxPeers) : pool_(size) {}

  // A client came; `owner` as with IdPool::Take(). nullopt when there is no id
  // that it may have.
  std::optional<PeerId> Give(absl::string_view owner, bool fragile,
                             absl::Time now);

  // The client with that id has gone; if it has an owner, the id is kept for
  // that one until `keep_until`.
  void TakeBack(PeerId id, absl::Time now, absl::Time keep_until);

  // The id that `owner` has in use or kept.
  std::optional<PeerId> OwnedBy(absl::string_view owner) const {
    return pool_.OwnedBy(owner);
  }

  // As IdPool's. Who restarts has no clients, so nothing rests then.
  bool Keep(const protocol::IdPool::Holding& holding, absl::Time keep_until);
  std::vector<protocol::IdPool::Holding> Holdings(absl::Time now) const;

 private:
  using Moment = std::pair<absl::Time, PeerId>;

  // Lets go of what has rested long enough.
  void Wake();

  protocol::IdPool pool_{kMaxPeers};              // What rests is in use there.
  absl::flat_hash_map<PeerId, absl::Time> came_;  // All clients.
  absl::btree_set<Moment> fragile_;               // When they came.
  // When the clients went, and until when their ids are kept.
  absl::btree_map<Moment, absl::Time> resting_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_IDS_H_
