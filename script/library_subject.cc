// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/library_subject.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "bus/access.h"
#include "core/doorbell.h"
#include "proto/config.h"
#include "proto/device_state.h"
#include "script/carriers.h"
#include "script/guest.h"
#include "script/outside_peers.h"
#include "script/region.h"
#include "script/wrong.h"

namespace ivshmem::script {
namespace {

using Gives = std::optional<uint64_t>;

absl::Status At(absl::string_view place, const absl::Status& status) {
  return absl::Status(status.code(),
                      absl::StrCat(place, ".", status.message()));
}

class LibrarySubject : public Subject {
 public:
  explicit LibrarySubject(WorldConfig world) : world_(std::move(world)) {}

  absl::Status Init(Acceleration acceleration);

  absl::StatusOr<Outcome> Do(const Step& step) override;

 private:
  absl::StatusOr<Gives> Perform(Guest& guest, const Step& step);
  // Those that need a device that is plugged in.
  absl::StatusOr<Gives> Handle(Guest& guest, Device& device, const Step& step);

  absl::StatusOr<Guest*> FindGuest(const std::string& name);
  Region& RegionOf(const Guest& guest) {
    return *regions_.at(guest.config().region);
  }
  // By the configuration, or else by what is free.
  absl::StatusOr<PeerId> ChooseId(const Guest& guest);

  absl::Status Plug(Guest& guest);
  void Unplug(Guest& guest);
  absl::Status Restore(Guest& guest, const script::Restore& restore);
  // The device, which is new, is among the others now.
  void Enter(Guest& guest);
  absl::Status SetId(Guest& guest, Device& device, std::optional<PeerId> id);

  absl::StatusOr<uint8_t*> Place(const Guest& guest, const Share& share);

  const WorldConfig world_;
  Carriers carriers_;
  OutsidePeers outside_{carriers_};
  std::map<std::string, std::unique_ptr<Region>> regions_;
  std::vector<std::unique_ptr<Guest>> guests_;
  std::map<std::string, std::string> saved_;  // As bytes.
};

absl::Status LibrarySubject::Init(Acceleration acceleration) {
  for (size_t i = 0; i < world_.regions.size(); ++i) {
    auto region = Region::Create(world_.regions[i].size);
    if (!region.ok()) {
      return At(absl::StrFormat("regions[%d]", i), region.status());
    }
    regions_[world_.regions[i].name] = *std::move(region);
  }
  for (const DeviceConfig& device : world_.devices) {
    guests_.push_back(std::make_unique<Guest>(
        device, regions_.at(device.region)->memory(), carriers_, acceleration));
  }
  for (const bool with_id : {true, false}) {
    for (size_t i = 0; i < guests_.size(); ++i) {
      if (guests_[i]->config().id.has_value() != with_id) continue;
      const absl::Status plugged = Plug(*guests_[i]);
      if (!plugged.ok()) return At(absl::StrFormat("devices[%d]", i), plugged);
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Outcome> LibrarySubject::Do(const Step& step) {
  const absl::StatusOr<Guest*> guest = FindGuest(step.device());
  if (!guest.ok()) return guest.status();
  const absl::StatusOr<Gives> gives = Perform(**guest, step);
  if (!gives.ok()) return gives.status();
  bool busy = true;
  while (busy) {
    busy = false;
    for (const auto& each : guests_) busy |= each->Settle();
  }
  Outcome outcome = {.gives = *gives, .effects = {}};
  outside_.TakeRings(outcome.effects);
  for (const auto& each : guests_) each->TakeEffects(outcome.effects);
  return outcome;
}

absl::StatusOr<Gives> LibrarySubject::Perform(Guest& guest, const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return guest.Read(step.read());
    case Step::kWrite:
      if (auto done = guest.Write(step.write()); !done.ok()) return done;
      return std::nullopt;
    case Step::kPeerJoins:
      if (auto done = outside_.Join(RegionOf(guest), step.peer_joins());
          !done.ok()) {
        return done;
      }
      return std::nullopt;
    case Step::kPeerLeaves:
      if (auto done = outside_.Leave(RegionOf(guest), step.peer_leaves());
          !done.ok()) {
        return done;
      }
      return std::nullopt;
    case Step::kVectorArrives:
      if (auto done = outside_.Arrive(RegionOf(guest), step.vector_arrives());
          !done.ok()) {
        return done;
      }
      return std::nullopt;
    case Step::kStore: {
      const absl::StatusOr<uint8_t*> place = Place(guest, step.store());
      if (!place.ok()) return place.status();
      StoreLittleEndian(step.store().value(), {*place, step.store().size()});
      return std::nullopt;
    }
    case Step::kLoad: {
      const absl::StatusOr<uint8_t*> place = Place(guest, step.load());
      if (!place.ok()) return place.status();
      return LoadLittleEndian({*place, step.load().size()});
    }
    case Step::kPlug:
      if (guest.device() != nullptr) {
        return Invalid("plug", "a device that is unplugged",
                       absl::StrFormat("'%s'", guest.config().name));
      }
      if (auto done = Plug(guest); !done.ok()) return done;
      return std::nullopt;
    case Step::kRestore:
      if (auto done = Restore(guest, step.restore()); !done.ok()) return done;
      return std::nullopt;
    case Step::OPERATION_NOT_SET:
      return Invalid("operation", "one", "none");
    default:
      break;
  }
  if (guest.device() == nullptr) {
    return Invalid(
        "device", "one that is plugged in",
        absl::StrFormat("'%s', which is unplugged", guest.config().name));
  }
  return Handle(guest, *guest.device(), step);
}

absl::StatusOr<Gives> LibrarySubject::Handle(Guest& guest, Device& device,
                                             const Step& step) {
  switch (step.operation_case()) {
    case Step::kInterrupt: {
      const uint32_t vector = step.interrupt().vector();
      const absl::Status check = CheckMost("vector", vector, 0xffff);
      if (!check.ok()) return check;
      guest.Interrupt(static_cast<Vector>(vector));
      return std::nullopt;
    }
    case Step::kSetId: {
      std::optional<PeerId> id;
      if (step.set_id().has_id()) {
        const absl::Status check =
            CheckMost("id", step.set_id().id(), kMaxPeers - 1);
        if (!check.ok()) return check;
        id = static_cast<PeerId>(step.set_id().id());
      }
      if (auto done = SetId(guest, device, id); !done.ok()) return done;
      return std::nullopt;
    }
    case Step::kReset:
      guest.Reset();
      return std::nullopt;
    case Step::kLinkLost:
      RegionOf(guest).SetLink(device.peers(), false);
      return std::nullopt;
    case Step::kLinkBack:
      RegionOf(guest).SetLink(device.peers(), true);
      return std::nullopt;
    case Step::kUnplug:
      Unplug(guest);
      return std::nullopt;
    case Step::kSave:
      saved_[step.save().name()] = EncodeState(guest.Save());
      return std::nullopt;
    default:
      return absl::UnimplementedError("operation: not known");
  }
}

absl::StatusOr<Guest*> LibrarySubject::FindGuest(const std::string& name) {
  for (const auto& guest : guests_) {
    if (name.empty() || guest->config().name == name) return guest.get();
  }
  return Invalid(
      "device",
      absl::StrFormat("one of [%s]",
                      absl::StrJoin(world_.devices, ", ",
                                    [](std::string* out, const auto& device) {
                                      absl::StrAppend(out, device.name);
                                    })),
      absl::StrFormat("'%s'", name));
}

absl::StatusOr<PeerId> LibrarySubject::ChooseId(const Guest& guest) {
  const Region& region = RegionOf(guest);
  const std::optional<PeerId> given = guest.config().id;
  if (given.has_value() && region.Has(*given)) {
    return Invalid("id", "a free one",
                   absl::StrFormat("%d, which is in use", *given));
  }
  const std::optional<PeerId> id =
      given.has_value() ? given : region.LowestFree();
  if (!id.has_value()) return Invalid("id", "a free one", "none");
  return *id;
}

absl::Status LibrarySubject::Plug(Guest& guest) {
  const absl::StatusOr<PeerId> id = ChooseId(guest);
  if (!id.ok()) return id.status();
  if (absl::Status made = guest.Plug(); !made.ok()) return made;
  guest.device()->SetId(*id);
  Enter(guest);
  return absl::OkStatus();
}

void LibrarySubject::Enter(Guest& guest) {
  Device& device = *guest.device();
  if (device.id().has_value()) {
    RegionOf(guest).Set(*device.id(), guest.vectors());
  }
  RegionOf(guest).Tell(device.peers());
}

absl::Status LibrarySubject::Restore(Guest& guest,
                                     const script::Restore& restore) {
  const auto saved = saved_.find(restore.name());
  if (saved == saved_.end()) {
    return Invalid("name", "that of a state that was saved",
                   absl::StrFormat("'%s'", restore.name()));
  }
  const absl::StatusOr<SavedDevice> state = DecodeState(saved->second);
  if (!state.ok()) return absl::InternalError(state.status().message());
  const std::optional<PeerId> id =
      std::visit([](const auto& known) { return known.device.id; }, *state);
  const bool own = guest.device() != nullptr && guest.device()->id() == id;
  if (id.has_value() && !own && RegionOf(guest).Has(*id)) {
    return Invalid("id", "a free one",
                   absl::StrFormat("%d, which is in use", *id));
  }
  if (auto check = guest.CheckState(*state); !check.ok()) return check;
  if (guest.device() != nullptr) Unplug(guest);
  if (auto made = guest.Restore(*state); !made.ok()) {
    return absl::InternalError(made.message());
  }
  Enter(guest);
  return absl::OkStatus();
}

void LibrarySubject::Unplug(Guest& guest) {
  Device& device = *guest.device();
  RegionOf(guest).Forget(device.peers());
  if (device.id().has_value()) RegionOf(guest).Remove(*device.id());
  guest.Unplug();
}

absl::Status LibrarySubject::SetId(Guest& guest, Device& device,
                                   std::optional<PeerId> id) {
  Region& region = RegionOf(guest);
  const std::optional<PeerId> before = device.id();
  if (id == before) return absl::OkStatus();
  if (id.has_value() && region.Has(*id)) {
    return Invalid("id", "a free one",
                   absl::StrFormat("%d, which is in use", *id));
  }
  if (before.has_value()) region.Remove(*before);
  device.SetId(id);
  if (id.has_value()) region.Set(*id, guest.vectors());
  return absl::OkStatus();
}

absl::StatusOr<uint8_t*> LibrarySubject::Place(const Guest& guest,
                                               const Share& share) {
  const uint32_t size = share.size();
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    return Invalid("size", "1, 2, 4 or 8", absl::StrCat(size));
  }
  const SharedMemory& memory = RegionOf(guest).memory();
  if (share.offset() % size != 0) {
    return Invalid("offset", absl::StrFormat("a multiple of %d", size),
                   absl::StrCat(share.offset()));
  }
  if (size > memory.size || share.offset() > memory.size - size) {
    return Invalid("offset",
                   absl::StrFormat("a place in %d bytes", memory.size),
                   absl::StrCat(share.offset()));
  }
  return memory.data + share.offset();
}

}  // namespace

absl::StatusOr<std::unique_ptr<Subject>> MakeLibrarySubject(
    const config::World& world, Acceleration acceleration) {
  absl::StatusOr<WorldConfig> config = ToWorldConfig(world);
  if (!config.ok()) return config.status();
  auto subject = std::make_unique<LibrarySubject>(*std::move(config));
  const absl::Status made = subject->Init(acceleration);
  if (!made.ok()) return made;
  return subject;
}

}  // namespace ivshmem::script
