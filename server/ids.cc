// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/ids.h"

namespace ivshmem::server {

std::optional<PeerId> Ids::Give(absl::string_view owner, bool fragile,
                                absl::Time now) {
  Wake();
  // One that rests is not given even to its owner, who gets another.
  if (const std::optional<PeerId> own = pool_.OwnedBy(owner);
      own.has_value() && !came_.contains(*own)) {
    pool_.Disown(*own);
  }
  const std::optional<PeerId> id = pool_.Take(owner, now);
  if (!id.has_value()) return id;
  came_.emplace(*id, now);
  if (fragile) fragile_.emplace(now, *id);
  return id;
}

void Ids::TakeBack(PeerId id, absl::Time now, absl::Time keep_until) {
  const auto client = came_.find(id);
  if (client == came_.end()) return;
  fragile_.erase({client->second, id});
  came_.erase(client);
  resting_.emplace(Moment(now, id), keep_until);
  Wake();
}

bool Ids::Keep(const protocol::IdPool::Holding& holding,
               absl::Time keep_until) {
  return pool_.Keep(holding, keep_until);
}

std::vector<protocol::IdPool::Holding> Ids::Holdings(absl::Time now) const {
  return pool_.Holdings(now);
}

void Ids::Wake() {
  while (!resting_.empty()) {
    const auto& [went, id] = resting_.begin()->first;
    if (!fragile_.empty() && fragile_.begin()->first <= went) return;
    pool_.Release(id, resting_.begin()->second);
    resting_.erase(resting_.begin());
  }
}

}  // namespace ivshmem::server
