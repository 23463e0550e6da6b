// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/region.h"

namespace ivshmem::conformance {

// Vectors 0, 1, ... are connected in order.
uint64_t Region::AddOwner(const End& end, uint32_t count) {
  const uint64_t owner = ++numbers_;
  Vectors vectors;
  for (uint32_t vector = 0; vector < count; ++vector) {
    Wire& wire = vectors[vector];
    wire = {.number = ++numbers_, .owner = owner, .end = end};
    wire.end.vector = vector;
  }
  listening_[owner] = std::make_shared<const Vectors>(vectors);
  return owner;
}

void Region::AddVector(uint64_t owner, const End& end) {
  Vectors vectors = *VectorsOf(owner);
  vectors[end.vector] = {.number = ++numbers_, .owner = owner, .end = end};
  listening_[owner] = std::make_shared<const Vectors>(vectors);
}

uint32_t Region::LowestFree() const {
  uint32_t id = 0;
  while (!IsFree(id)) ++id;
  return id;
}

// The doorbell's high 16 bits are the peer's id, the low 16 bits the vector. If
// the peer is not connected, or has no such vector, the write is ignored. A
// peer that has gone without its being said is rung in vain.
std::optional<Region::End> Region::Ring(const Peers& known,
                                        uint32_t doorbell) const {
  const auto peer = known.find(doorbell >> 16);
  if (peer == known.end()) return std::nullopt;
  const auto wire = peer->second->find(doorbell & 0xffff);
  if (wire == peer->second->end()) return std::nullopt;
  const auto owner = listening_.find(wire->second.owner);
  if (owner == listening_.end()) return std::nullopt;
  const bool replaced =
      owner->second->at(wire->second.end.vector).number != wire->second.number;
  if (replaced) return std::nullopt;
  return wire->second.end;
}

}  // namespace ivshmem::conformance
