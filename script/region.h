// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_REGION_H_
#define IVSHMEM_SCRIPT_REGION_H_

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "core/shared_memory.h"
#include "script/carriers.h"

namespace ivshmem::script {

// A region's memory, and who shares it: those who can be rung, by their ids,
// and the tables that are told of them.
//
// Threading: one thread.
class Region {
 public:
  // With memory of zeros. Errors: InvalidArgument when there is no room.
  static absl::StatusOr<std::unique_ptr<Region>> Create(uint64_t size);

  const SharedMemory& memory() const { return memory_; }

  bool Has(PeerId id) const { return present_.contains(id); }
  std::optional<PeerId> LowestFree() const;

  // Somebody comes under an id that is free, or with other vectors than before,
  // or goes.
  void Set(PeerId id, const Vectors& vectors);
  void Remove(PeerId id);

  // From now on `table` has all that are there, and hears of those who come and
  // go; until Forget().
  void Tell(PeerTable& table);
  void Forget(PeerTable& table);

  // A table whose link is lost hears nothing. With `link` it has what it
  // missed.
  void SetLink(PeerTable& table, bool link);

 private:
  struct Free {
    void operator()(uint8_t* data) const { std::free(data); }
  };

  explicit Region(const SharedMemory& memory)
      : owned_(memory.data), memory_(memory) {}

  const std::unique_ptr<uint8_t, Free> owned_;
  const SharedMemory memory_;
  std::map<PeerId, Vectors> present_;
  std::map<PeerTable*, bool> links_;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_REGION_H_
