// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/region.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"

namespace ivshmem::script {
namespace {

constexpr uint64_t kMostMemory = uint64_t{1} << 30;

void Connect(PeerTable& table, PeerId id, const Vectors& vectors) {
  for (const auto& [vector, carrier] : vectors) {
    if (table.Find({id, vector}) == carrier) continue;
    // Cannot fail: nobody has more vectors than a table takes.
    table.Connect(id, vector, carrier).IgnoreError();
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<Region>> Region::Create(uint64_t size) {
  if (size > kMostMemory) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "size: expected at most %d bytes, got %d", kMostMemory, size));
  }
  // Zeros that cost nothing until they are touched.
  auto* data = static_cast<uint8_t*>(std::calloc(size, 1));
  if (data == nullptr) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "size: expected what this machine has room for, got %d", size));
  }
  return absl::WrapUnique(new Region({data, size}));
}

std::optional<PeerId> Region::LowestFree() const {
  uint32_t lowest = 0;
  for (const auto& [id, vectors] : present_) {
    if (id != lowest) break;
    ++lowest;
  }
  if (lowest >= kMaxPeers) return std::nullopt;
  return static_cast<PeerId>(lowest);
}

void Region::Set(PeerId id, const Vectors& vectors) {
  present_[id] = vectors;
  for (const auto& [table, link] : links_) {
    if (link) Connect(*table, id, vectors);
  }
}

void Region::Remove(PeerId id) {
  present_.erase(id);
  for (const auto& [table, link] : links_) {
    if (link) table->Disconnect(id);
  }
}

void Region::Tell(PeerTable& table) {
  links_[&table] = true;
  for (const auto& [id, vectors] : present_) Connect(table, id, vectors);
}

void Region::Forget(PeerTable& table) { links_.erase(&table); }

void Region::SetLink(PeerTable& table, bool link) {
  if (std::exchange(links_[&table], link) || !link) return;
  for (const PeerTable::Connection& known : table.Connections()) {
    const auto peer = present_.find(known.doorbell.peer);
    // One that came back is another.
    if (peer == present_.end() ||
        !peer->second.contains(known.doorbell.vector)) {
      table.Disconnect(known.doorbell.peer);
    }
  }
  for (const auto& [id, vectors] : present_) Connect(table, id, vectors);
}

}  // namespace ivshmem::script
