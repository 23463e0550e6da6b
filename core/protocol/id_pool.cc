// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/protocol/id_pool.h"

#include <algorithm>

namespace ivshmem::protocol {

IdPool::IdPool(int size) {
  for (int id = 0; id < size; ++id) {
    free_.insert(free_.end(), static_cast<PeerId>(id));
  }
}

std::optional<PeerId> IdPool::Take(absl::string_view owner, absl::Time now) {
  while (!by_end_.empty() && by_end_.begin()->first <= now) Free();
  if (const auto it = owners_.find(owner); it != owners_.end()) {
    const PeerId id = it->second;
    if (const auto kept = kept_.find(id); kept != kept_.end()) {
      by_end_.erase({kept->second.until, id});
      kept_.erase(kept);
      in_use_.emplace(id, owner);
      return id;
    }
    owner = "";
  }
  if (free_.empty() && !by_end_.empty()) Free();
  if (free_.empty()) return std::nullopt;
  const PeerId id = *free_.begin();
  free_.erase(free_.begin());
  in_use_.emplace(id, owner);
  if (!owner.empty()) owners_.emplace(owner, id);
  return id;
}

void IdPool::Release(PeerId id, absl::Time keep_until) {
  const auto it = in_use_.find(id);
  if (it == in_use_.end()) return;
  if (it->second.empty()) {
    free_.insert(id);
  } else {
    kept_.emplace(id, Kept{it->second, keep_until});
    by_end_.emplace(keep_until, id);
  }
  in_use_.erase(it);
}

std::optional<PeerId> IdPool::OwnedBy(absl::string_view owner) const {
  const auto it = owners_.find(owner);
  if (it == owners_.end()) return std::nullopt;
  return it->second;
}

void IdPool::Disown(PeerId id) {
  const auto it = in_use_.find(id);
  if (it == in_use_.end()) return;
  owners_.erase(it->second);
  it->second.clear();
}

bool IdPool::Keep(const Holding& holding, absl::Time keep_until) {
  if (owners_.contains(holding.owner)) return false;
  if (free_.erase(holding.id) == 0) return false;
  kept_.emplace(holding.id, Kept{holding.owner, keep_until});
  by_end_.emplace(keep_until, holding.id);
  if (!holding.owner.empty()) owners_.emplace(holding.owner, holding.id);
  return true;
}

std::vector<IdPool::Holding> IdPool::Holdings(absl::Time now) const {
  std::vector<Holding> holdings;
  for (const auto& [id, owner] : in_use_) holdings.push_back({id, owner});
  for (const auto& [id, kept] : kept_) {
    if (kept.until > now) holdings.push_back({id, kept.owner});
  }
  std::ranges::sort(holdings, {}, &Holding::id);
  return holdings;
}

void IdPool::Free() {
  const PeerId id = by_end_.begin()->second;
  by_end_.erase(by_end_.begin());
  const auto kept = kept_.find(id);
  owners_.erase(kept->second.owner);
  kept_.erase(kept);
  free_.insert(id);
}

}  // namespace ivshmem::protocol
