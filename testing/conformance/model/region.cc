// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/region.h"

namespace ivshmem::conformance {

Region::Wire Region::MakeWire(const End& end) {
  listening_[++made_] = end;
  return made_;
}

// Vectors 0, 1, ... are connected in order.
Region::Vectors Region::MakeVectors(End end, uint32_t count) {
  Vectors vectors;
  for (end.vector = 0; end.vector < count; ++end.vector) {
    vectors[end.vector] = MakeWire(end);
  }
  return vectors;
}

void Region::Cut(const Vectors& vectors) {
  for (const auto& [vector, wire] : vectors) listening_.erase(wire);
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
  const auto wire = peer->second.find(doorbell & 0xffff);
  if (wire == peer->second.end()) return std::nullopt;
  const auto end = listening_.find(wire->second);
  if (end == listening_.end()) return std::nullopt;
  return end->second;
}

}  // namespace ivshmem::conformance
