// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_ID_POOL_H_
#define IVSHMEM_CORE_PROTOCOL_ID_POOL_H_

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "core/doorbell.h"

namespace ivshmem::protocol {

// Which ids a server has given, and which it keeps for an owner that is away.
//
// An owner is a name by which the transport knows a client again, as a token
// together with a user id; an empty name is nobody, who is never known again.
//
// Threading: one thread at a time.
class IdPool {
 public:
  struct Holding {
    PeerId id;
    std::string owner;

    friend bool operator==(const Holding&, const Holding&) = default;
  };

  // Gives ids 0..size-1; `size` is 1..kMaxPeers.
  explicit IdPool(int size);

  // An id for `owner`: the one that is kept for it, else the lowest that is
  // neither in use nor kept, else the one whose keeping would end first (to
  // keep an id is a courtesy that must not lock anybody out). nullopt when all
  // are in use. An owner that has an id in use already is served as nobody.
  std::optional<PeerId> Take(absl::string_view owner, absl::Time now);

  // `id` is no longer in use (nothing happens if it was not). Nobody's is free
  // at once; an owner's is kept as long as it is before `keep_until`.
  void Release(PeerId id, absl::Time keep_until);

  // The id that `owner` has in use or kept.
  std::optional<PeerId> OwnedBy(absl::string_view owner) const;

  // The owner of `id`, which is in use, is nobody from now on: it can be given
  // another one.
  void Disown(PeerId id);

  // As if `holding.owner` had been given that id and then left it; but nobody's
  // is kept too, as its guest may still be known under it. Returns false, and
  // nothing changes, if the id is not one of the pool's, in use, or kept
  // already, or if the owner has another.
  bool Keep(const Holding& holding, absl::Time keep_until);

  // All that is in use or still kept, by id: what a restarted server has to
  // know.
  std::vector<Holding> Holdings(absl::Time now) const;

  // How many ids are in use.
  int in_use() const { return static_cast<int>(in_use_.size()); }

 private:
  struct Kept {
    std::string owner;
    absl::Time until;
  };

  // Ends the keeping that would end first.
  void Free();

  absl::btree_map<PeerId, std::string> in_use_;
  absl::btree_map<PeerId, Kept> kept_;
  absl::btree_set<std::pair<absl::Time, PeerId>> by_end_;  // Of kept_.
  absl::btree_set<PeerId> free_;                     // Neither in use nor kept.
  absl::flat_hash_map<std::string, PeerId> owners_;  // In use or kept.
};

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_ID_POOL_H_
