// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/conformance/c_subject.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "bus/access.h"
#include "capi/conformance/c_region.h"
#include "proto/config.h"

namespace ivshmem::script {
namespace {

using Gives = std::optional<uint64_t>;

absl::Status No(absl::string_view what) {
  return absl::InvalidArgumentError(what);
}

class CSubject : public Subject {
 public:
  CSubject(WorldConfig world, Carriage carriage)
      : world_(std::move(world)), carriage_(carriage) {}

  absl::Status Init();
  absl::StatusOr<Outcome> Do(const Step& step) override;

 private:
  absl::StatusOr<Gives> Perform(CGuest& guest, const Step& step);
  absl::Status Handle(CGuest& guest, const Step& step);
  absl::Status OfPeers(CRegion& region, const Step& step);

  CRegion& RegionOf(const CGuest& guest) {
    return *regions_.at(guest.config().region);
  }
  absl::Status Plug(CGuest& guest);
  void Unplug(CGuest& guest);
  void Enter(CGuest& guest);
  absl::Status Restore(CGuest& guest, const std::string& name);
  absl::Status SetId(CGuest& guest, std::optional<uint32_t> id);
  absl::StatusOr<uint8_t*> Place(const CGuest& guest, const Share& share);

  const WorldConfig world_;
  const Carriage carriage_;
  std::map<std::string, std::unique_ptr<CRegion>> regions_;
  std::vector<std::unique_ptr<CGuest>> guests_;
  std::map<std::string, std::string> saved_;
};

absl::Status CSubject::Init() {
  for (const RegionConfig& region : world_.regions) {
    regions_[region.name] = std::make_unique<CRegion>(region.size, carriage_);
    if (regions_[region.name]->memory() == nullptr) return No("size");
  }
  for (const DeviceConfig& device : world_.devices) {
    guests_.push_back(std::make_unique<CGuest>(
        device, regions_.at(device.region)->memory(), carriage_));
  }
  for (const bool with_id : {true, false}) {
    for (const auto& guest : guests_) {
      if (guest->config().id.has_value() != with_id) continue;
      if (absl::Status plugged = Plug(*guest); !plugged.ok()) return plugged;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Outcome> CSubject::Do(const Step& step) {
  CGuest* guest = nullptr;
  for (const auto& each : guests_) {
    if (step.device().empty() || each->config().name == step.device()) {
      guest = each.get();
      break;
    }
  }
  if (guest == nullptr) return No("device");
  const absl::StatusOr<Gives> gives = Perform(*guest, step);
  if (!gives.ok()) return gives.status();
  bool busy = true;
  while (busy) {
    busy = false;
    for (const auto& each : guests_) busy |= each->Settle();
  }
  Outcome outcome = {.gives = *gives, .effects = {}};
  for (const auto& [name, region] : regions_) {
    region->TakeRings(outcome.effects);
  }
  for (const auto& each : guests_) each->TakeEffects(outcome.effects);
  return outcome;
}

absl::StatusOr<Gives> CSubject::Perform(CGuest& guest, const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return guest.Read(step.read());
    case Step::kLoad: {
      const absl::StatusOr<uint8_t*> place = Place(guest, step.load());
      if (!place.ok()) return place.status();
      return LoadLittleEndian({*place, step.load().size()});
    }
    default:
      break;
  }
  if (absl::Status done = Handle(guest, step); !done.ok()) return done;
  return std::nullopt;
}

absl::Status CSubject::OfPeers(CRegion& region, const Step& step) {
  switch (step.operation_case()) {
    case Step::kPeerJoins:
      if (step.peer_joins().id() > 0xffff ||
          step.peer_joins().vectors() > 2048 ||
          region.Has(step.peer_joins().id())) {
        return No("peer_joins");
      }
      region.Join(step.peer_joins().id(), step.peer_joins().vectors());
      return absl::OkStatus();
    case Step::kPeerLeaves:
      return region.Leave(step.peer_leaves().id()) ? absl::OkStatus()
                                                   : No("peer_leaves");
    default:
      return step.vector_arrives().vector() < 2048 &&
                     region.Arrive(step.vector_arrives().id(),
                                   step.vector_arrives().vector())
                 ? absl::OkStatus()
                 : No("vector_arrives");
  }
}

absl::Status CSubject::Handle(CGuest& guest, const Step& step) {
  switch (step.operation_case()) {
    case Step::kWrite:
      return guest.Write(step.write());
    case Step::kPeerJoins:
    case Step::kPeerLeaves:
    case Step::kVectorArrives:
      return OfPeers(RegionOf(guest), step);
    case Step::kStore: {
      const absl::StatusOr<uint8_t*> place = Place(guest, step.store());
      if (!place.ok()) return place.status();
      StoreLittleEndian(step.store().value(), {*place, step.store().size()});
      return absl::OkStatus();
    }
    case Step::kPlug:
      return guest.device() != nullptr ? No("plug") : Plug(guest);
    case Step::kRestore:
      return Restore(guest, step.restore().name());
    default:
      break;
  }
  if (guest.device() == nullptr) return No("device: unplugged");
  switch (step.operation_case()) {
    case Step::kInterrupt:
      if (step.interrupt().vector() > 0xffff) return No("vector");
      guest.Interrupt(step.interrupt().vector());
      return absl::OkStatus();
    case Step::kSetId:
      return SetId(guest, step.set_id().has_id()
                              ? std::optional<uint32_t>(step.set_id().id())
                              : std::nullopt);
    case Step::kReset:
      guest.Reset();
      return absl::OkStatus();
    case Step::kLinkLost:
    case Step::kLinkBack:
      RegionOf(guest).SetLink(guest.device(), step.has_link_back());
      return absl::OkStatus();
    case Step::kUnplug:
      Unplug(guest);
      return absl::OkStatus();
    case Step::kSave: {
      absl::StatusOr<std::string> state = guest.Save();
      if (!state.ok()) return state.status();
      saved_[step.save().name()] = *std::move(state);
      return absl::OkStatus();
    }
    default:
      return No("operation");
  }
}

absl::Status CSubject::Plug(CGuest& guest) {
  CRegion& region = RegionOf(guest);
  std::optional<uint32_t> id = guest.config().id;
  if (id.has_value() && region.Has(*id)) return No("id: in use");
  if (!id.has_value()) id = region.LowestFree();
  if (!id.has_value()) return No("id: none is free");
  if (absl::Status made = guest.Plug(); !made.ok()) return made;
  if (ivshmem_device_set_id(guest.device(), *id) != 0) {
    return absl::InternalError(ivshmem_last_error());
  }
  Enter(guest);
  return absl::OkStatus();
}

void CSubject::Enter(CGuest& guest) {
  CRegion& region = RegionOf(guest);
  if (guest.id().has_value()) region.Set(*guest.id(), guest.vectors());
  region.Tell(guest.device());
}

void CSubject::Unplug(CGuest& guest) {
  CRegion& region = RegionOf(guest);
  region.Forget(guest.device());
  if (guest.id().has_value()) region.Remove(*guest.id());
  guest.Unplug();
}

absl::Status CSubject::Restore(CGuest& guest, const std::string& name) {
  const auto saved = saved_.find(name);
  if (saved == saved_.end()) return No("name");
  const auto id = guest.CheckState(saved->second);
  if (!id.ok()) return id.status();
  const bool own = guest.device() != nullptr && guest.id() == *id;
  if (id->has_value() && !own && RegionOf(guest).Has(**id)) {
    return No("id: in use");
  }
  if (guest.device() != nullptr) Unplug(guest);
  if (absl::Status made = guest.Restore(saved->second); !made.ok()) {
    return absl::InternalError(made.message());
  }
  Enter(guest);
  return absl::OkStatus();
}

absl::Status CSubject::SetId(CGuest& guest, std::optional<uint32_t> id) {
  CRegion& region = RegionOf(guest);
  const std::optional<uint32_t> before = guest.id();
  if (id.has_value() && *id > 0xffff) return No("id");
  if (id == before) return absl::OkStatus();
  if (id.has_value() && region.Has(*id)) return No("id: in use");
  if (before.has_value()) region.Remove(*before);
  const int result = id.has_value() ? ivshmem_device_set_id(guest.device(), *id)
                                    : ivshmem_device_clear_id(guest.device());
  if (result != 0) return absl::InternalError(ivshmem_last_error());
  if (id.has_value()) region.Set(*id, guest.vectors());
  return absl::OkStatus();
}

absl::StatusOr<uint8_t*> CSubject::Place(const CGuest& guest,
                                         const Share& share) {
  const uint32_t size = share.size();
  if (size != 1 && size != 2 && size != 4 && size != 8) return No("size");
  ivshmem_memory* const memory = RegionOf(guest).memory().get();
  if (share.offset() % size != 0 ||
      !Contains(ivshmem_memory_size(memory), share.offset(), size)) {
    return No("offset");
  }
  return static_cast<uint8_t*>(ivshmem_memory_data(memory)) + share.offset();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Subject>> MakeCSubject(
    const config::World& world, Carriage carriage) {
  absl::StatusOr<WorldConfig> config = ToWorldConfig(world);
  if (!config.ok()) return config.status();
  auto subject = std::make_unique<CSubject>(*std::move(config), carriage);
  if (absl::Status made = subject->Init(); !made.ok()) return made;
  return subject;
}

}  // namespace ivshmem::script
