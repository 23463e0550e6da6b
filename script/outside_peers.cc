// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/outside_peers.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "script/wrong.h"

namespace ivshmem::script {

std::shared_ptr<Carrier> OutsidePeers::Make(PeerId id, Vector vector) {
  return carriers_.Make([this, id, vector] {
    Ring& ring = rings_.emplace_back();
    ring.set_peer(id);
    ring.set_vector(vector);
  });
}

absl::Status OutsidePeers::Join(Region& region, const PeerJoins& joins) {
  for (const absl::Status& check :
       {CheckMost("id", joins.id(), kMaxPeers - 1),
        CheckMost("vectors", joins.vectors(), kMaxVectors)}) {
    if (!check.ok()) return check;
  }
  const auto id = static_cast<PeerId>(joins.id());
  if (region.Has(id)) {
    return Invalid("id", "a free one",
                   absl::StrFormat("%d, which is in use", id));
  }
  Vectors& vectors = peers_[{&region, id}];
  for (uint32_t v = 0; v < joins.vectors(); ++v) {
    const auto vector = static_cast<Vector>(v);
    vectors[vector] = Make(id, vector);
  }
  region.Set(id, vectors);
  return absl::OkStatus();
}

absl::StatusOr<Vectors*> OutsidePeers::Find(Region& region, uint32_t id) {
  const absl::Status check = CheckMost("id", id, kMaxPeers - 1);
  if (!check.ok()) return check;
  const auto peer = peers_.find({&region, static_cast<PeerId>(id)});
  if (peer == peers_.end()) {
    return Invalid("id", "that of a peer that joined", absl::StrCat(id));
  }
  return &peer->second;
}

absl::Status OutsidePeers::Leave(Region& region, const PeerLeaves& leaves) {
  const absl::StatusOr<Vectors*> peer = Find(region, leaves.id());
  if (!peer.ok()) return peer.status();
  const auto id = static_cast<PeerId>(leaves.id());
  region.Remove(id);
  for (auto& [vector, carrier] : **peer) carrier->Close();
  peers_.erase({&region, id});
  return absl::OkStatus();
}

absl::Status OutsidePeers::Arrive(Region& region,
                                  const VectorArrives& arrives) {
  absl::Status check = CheckMost("vector", arrives.vector(), kMaxVectors - 1);
  if (!check.ok()) return check;
  const absl::StatusOr<Vectors*> peer = Find(region, arrives.id());
  if (!peer.ok()) return peer.status();
  const auto id = static_cast<PeerId>(arrives.id());
  const auto vector = static_cast<Vector>(arrives.vector());
  std::shared_ptr<Carrier>& carrier = (**peer)[vector];
  if (carrier != nullptr) carrier->Close();
  carrier = Make(id, vector);
  region.Set(id, **peer);
  return absl::OkStatus();
}

void OutsidePeers::TakeRings(Effects& effects) {
  for (const Ring& ring : std::exchange(rings_, {})) {
    *effects.add_rings() = ring;
  }
}

}  // namespace ivshmem::script
