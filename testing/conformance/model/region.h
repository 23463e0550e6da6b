// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_REGION_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_REGION_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <vector>

namespace ivshmem::conformance {

// Who shares a region (specification, "Interrupt infrastructure").
class Region {
 public:
  // Where a ring goes: a vector of a device of the world, or of a peer outside
  // with that id.
  struct End {
    std::optional<int> device;
    uint32_t peer = 0;
    uint32_t vector = 0;
  };

  // What interrupts one vector of somebody: an eventfd's write end, so to say.
  // No two have the same number.
  struct Wire {
    uint64_t number = 0;
    uint64_t owner = 0;
    End end;
  };
  using Vectors = std::map<uint32_t, Wire>;
  // Who is connected under which id. A device has its own list, which may be
  // old.
  using Peers = std::map<uint32_t, std::shared_ptr<const Vectors>>;

  explicit Region(uint64_t size) : memory(size) {}

  std::vector<uint8_t> memory;

  // Somebody new, who listens on vectors 0, 1, ... up to `count` from now on.
  uint64_t AddOwner(const End& end, uint32_t count);
  // With one that replaces what was there, or is new.
  void AddVector(uint64_t owner, const End& end);
  // Nobody listens on the owner's any more.
  void RemoveOwner(uint64_t owner) { listening_.erase(owner); }
  std::shared_ptr<const Vectors> VectorsOf(uint64_t owner) const {
    return listening_.at(owner);
  }

  bool IsFree(uint32_t id) const { return peers.count(id) == 0; }
  uint32_t LowestFree() const;

  // Who is there: what the server would tell somebody who connects.
  Peers peers;
  // Those of them that are no devices of the world, and their numbers.
  std::map<uint32_t, uint64_t> outside;

  // Who is interrupted when one who knows of `known` rings; nullopt when nobody
  // is.
  std::optional<End> Ring(const Peers& known, uint32_t doorbell) const;

 private:
  std::map<uint64_t, std::shared_ptr<const Vectors>> listening_;
  uint64_t numbers_ = 0;
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_REGION_H_
