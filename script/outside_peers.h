// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_OUTSIDE_PEERS_H_
#define IVSHMEM_SCRIPT_OUTSIDE_PEERS_H_

#include <cstdint>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/doorbell.h"
#include "proto/script.pb.h"
#include "script/carriers.h"
#include "script/region.h"

namespace ivshmem::script {

// The peers that are no devices of the world: who they are, and when they are
// rung. Errors: InvalidArgument that names the field.
//
// Threading: one thread.
class OutsidePeers {
 public:
  // `carriers` and the regions outlive the object.
  explicit OutsidePeers(Carriers& carriers) : carriers_(carriers) {}

  absl::Status Join(Region& region, const PeerJoins& joins);
  absl::Status Leave(Region& region, const PeerLeaves& leaves);
  absl::Status Arrive(Region& region, const VectorArrives& arrives);

  // Adds what was rung since the last time.
  void TakeRings(Effects& effects);

 private:
  absl::StatusOr<Vectors*> Find(Region& region, uint32_t id);
  std::shared_ptr<Carrier> Make(PeerId id, Vector vector);

  Carriers& carriers_;
  std::vector<Ring> rings_;
  std::map<std::pair<Region*, PeerId>, Vectors> peers_;
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_OUTSIDE_PEERS_H_
