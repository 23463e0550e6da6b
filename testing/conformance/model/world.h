// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_MODEL_WORLD_H_
#define IVSHMEM_TESTING_CONFORMANCE_MODEL_WORLD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/subject.h"
#include "testing/conformance/model/device.h"
#include "testing/conformance/model/facts.h"
#include "testing/conformance/model/region.h"

namespace ivshmem::conformance {

// An ivshmem world as the specification has it: what it says, done plainly. A
// copy is a world of its own.
//
// Of the library nothing is in here, so that no mistake can be in both
// (independence_test).
class WorldModel : public script::Subject {
 public:
  // `world` is one that the library takes.
  explicit WorldModel(const config::World& world);

  absl::StatusOr<script::Outcome> Do(const script::Step& step) override;

  // For those who draw steps that matter; `seat` is the device's index. Null
  // for one that is unplugged.
  const Device* device(int seat) const;
  bool linked(int seat) const { return seats_[seat].linked; }
  bool has_id(int seat) const { return seats_[seat].id.has_value(); }

 private:
  // A device's place in the world, whether a device is in it or not.
  struct Seat {
    std::string name;
    std::string region;
    Facts facts;
    std::optional<Device> device;
    std::optional<uint32_t> id;
    uint64_t owner = 0;  // Who the device that is there is in the region.
    bool linked = true;
    Region::Peers known;  // Of whom the device has heard.
  };
  struct Saved {
    int seat;
    std::optional<uint32_t> id;
    Device device;
  };

  Region& RegionOf(const Seat& seat) { return regions_.at(seat.region); }
  // The seat of that name, or an error.
  absl::StatusOr<int> Find(const std::string& name) const;
  std::vector<bool> Lines() const;

  absl::Status DoStep(const script::Step& step, int seat,
                      script::Outcome& outcome);
  absl::Status DoWithDevice(const script::Step& step, int seat,
                            script::Outcome& outcome);
  absl::Status DoAccess(const script::Access& access, bool write, Seat& seat,
                        DeviceEffects& effects, script::Outcome& outcome);
  absl::Status PeerJoins(const script::PeerJoins& join, Seat& seat);
  absl::Status PeerLeaves(uint32_t id, Seat& seat);
  absl::Status VectorArrives(const script::VectorArrives& arrives, Seat& seat);
  absl::Status DoShare(const script::Share& share, bool store, Seat& seat,
                       script::Outcome& outcome);
  absl::Status SetId(const script::SetId& set, int seat);
  absl::Status Plug(int seat);
  absl::Status Restore(const std::string& name, int seat);
  // A new device is in the place; it has no id yet. Or there is none any more.
  void PutIn(int seat);
  void TakeOut(int seat);
  void GiveId(Seat& seat, std::optional<uint32_t> id);

  // Says to all what those with a link know now.
  void SpreadNews();
  // What the devices did leads on: who is rung interrupts, and so on.
  void Follow(int seat, const DeviceEffects& effects, script::Effects& out);

  std::map<std::string, Region> regions_;
  std::vector<Seat> seats_;
  std::map<std::string, Saved> saved_;
};

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_MODEL_WORLD_H_
