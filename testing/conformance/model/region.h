// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_REGION_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_REGION_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

namespace ivshmem::conformance {

// Who shares a region (specification, "Interrupt infrastructure").
class Region {
 public:
  // What interrupts one vector of somebody: an eventfd's write end, so to say.
  // None is used twice.
  using Wire = uint64_t;
  using Vectors = std::map<uint32_t, Wire>;
  // Who is connected under which id. A device has its own, which may be old.
  using Peers = std::map<uint32_t, Vectors>;

  // Where a wire ends.
  struct End {
    std::optional<int> device;  // Of the world; or else an outside peer,
    uint32_t peer = 0;          // with this id.
    uint32_t vector = 0;
  };

  explicit Region(uint64_t size) : memory(size) {}

  std::vector<uint8_t> memory;

  Wire MakeWire(const End& end);
  // The first `count` vectors of somebody.
  Vectors MakeVectors(End end, uint32_t count);
  // Those whose vectors these are do not listen any more.
  void Cut(const Vectors& vectors);

  bool IsFree(uint32_t id) const { return peers.count(id) == 0; }
  uint32_t LowestFree() const;

  // Who is there: what the server would tell somebody who connects.
  Peers peers;
  // Those of them that are no devices of the world.
  std::set<uint32_t> outside;

  // Who is interrupted when one who knows of `known` rings; nullopt when nobody
  // is.
  std::optional<End> Ring(const Peers& known, uint32_t doorbell) const;

 private:
  std::map<Wire, End> listening_;
  Wire made_ = 0;
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_REGION_H_
