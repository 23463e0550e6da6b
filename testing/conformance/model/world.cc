// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/model/world.h"

#include <utility>

namespace ivshmem::conformance {
namespace {

using script::Outcome;
using script::Step;

absl::Status NotInThisWorld(const char* why) {
  return absl::InvalidArgumentError(why);
}

Bytes ToBytes(uint64_t value, uint64_t size) {
  Bytes bytes(size);
  for (uint64_t i = 0; i < size && i < 8; ++i) {
    bytes[i] = static_cast<uint8_t>(value >> (8 * i));
  }
  return bytes;
}

uint64_t ToValue(const Bytes& bytes) {
  uint64_t value = 0;
  for (uint64_t i = 0; i < bytes.size() && i < 8; ++i) {
    value |= uint64_t{bytes[i]} << (8 * i);
  }
  return value;
}

}  // namespace

// Those that ask for an id have it; then the others get the lowest that is
// free, in order.
WorldModel::WorldModel(const config::World& world) {
  for (const config::Region& region : world.regions()) {
    regions_.emplace(region.name(), Region(region.size()));
  }
  for (const config::Device& device : world.devices()) {
    seats_.push_back({.name = device.name(),
                      .region = device.region(),
                      .facts = FactsOf(world, device)});
  }
  for (const bool asking : {true, false}) {
    for (size_t i = 0; i < seats_.size(); ++i) {
      Seat& seat = seats_[i];
      if (seat.facts.id.has_value() != asking) continue;
      PutIn(static_cast<int>(i));
      GiveId(seat, asking ? *seat.facts.id : RegionOf(seat).LowestFree());
    }
  }
  SpreadNews();
}

absl::StatusOr<int> WorldModel::Find(const std::string& name) const {
  for (size_t seat = 0; seat < seats_.size(); ++seat) {
    if (name.empty() || seats_[seat].name == name) {
      return static_cast<int>(seat);
    }
  }
  return NotInThisWorld("no such device");
}

// The line of a device that is gone is low.
std::vector<bool> WorldModel::Lines() const {
  std::vector<bool> lines;
  for (const Seat& seat : seats_) {
    lines.push_back(seat.device.has_value() && seat.device->Line());
  }
  return lines;
}

absl::StatusOr<Outcome> WorldModel::Do(const Step& step) {
  const absl::StatusOr<int> seat = Find(step.device());
  if (!seat.ok()) return seat.status();
  const std::vector<bool> before = Lines();
  Outcome outcome;
  const absl::Status done = DoStep(step, *seat, outcome);
  if (!done.ok()) return done;
  SpreadNews();
  const std::vector<bool> after = Lines();
  for (size_t i = 0; i < seats_.size(); ++i) {
    if (before[i] == after[i]) continue;
    script::Line& line = *outcome.effects.add_lines();
    line.set_device(seats_[i].name);
    line.set_asserted(after[i]);
  }
  return outcome;
}

absl::Status WorldModel::DoStep(const Step& step, int seat, Outcome& outcome) {
  Seat& s = seats_[seat];
  switch (step.operation_case()) {
    case Step::OPERATION_NOT_SET:
      return NotInThisWorld("a step that does nothing");
    case Step::kRead:
    case Step::kWrite: {
      DeviceEffects effects;
      const bool write = step.has_write();
      const absl::Status done = DoAccess(write ? step.write() : step.read(),
                                         write, s, effects, outcome);
      if (done.ok()) Follow(seat, effects, outcome.effects);
      return done;
    }
    case Step::kPlug:
      return Plug(seat);
    case Step::kRestore:
      return Restore(step.restore().name(), seat);
    default:
      if (!s.device.has_value()) return NotInThisWorld("it is unplugged");
      return DoWithDevice(step, seat, outcome);
  }
}

absl::Status WorldModel::DoWithDevice(const Step& step, int seat,
                                      Outcome& outcome) {
  Seat& s = seats_[seat];
  switch (step.operation_case()) {
    case Step::kPeerJoins:
      return PeerJoins(step.peer_joins(), s);
    case Step::kPeerLeaves:
      return PeerLeaves(step.peer_leaves().id(), s);
    case Step::kVectorArrives:
      return VectorArrives(step.vector_arrives(), s);
    case Step::kInterrupt: {
      if (step.interrupt().vector() > 0xffff) return NotInThisWorld("vector");
      DeviceEffects effects;
      s.device->Interrupt(step.interrupt().vector(), effects);
      Follow(seat, effects, outcome.effects);
      return absl::OkStatus();
    }
    case Step::kStore:
      return DoShare(step.store(), true, s, outcome);
    case Step::kLoad:
      return DoShare(step.load(), false, s, outcome);
    case Step::kSetId:
      return SetId(step.set_id(), seat);
    case Step::kReset:
      s.device->Reset();
      return absl::OkStatus();
    case Step::kSave:
      saved_.insert_or_assign(step.save().name(), Saved{seat, s.id, *s.device});
      return absl::OkStatus();
    case Step::kLinkLost:
      s.linked = false;
      return absl::OkStatus();
    case Step::kLinkBack:
      s.linked = true;
      return absl::OkStatus();
    case Step::kUnplug:
      TakeOut(seat);
      return absl::OkStatus();
    default:
      return absl::UnimplementedError("a step that the model does not know");
  }
}

// Where there is nothing, a read gives ones and a write goes nowhere.
absl::Status WorldModel::DoAccess(const script::Access& access, bool write,
                                  Seat& seat, DeviceEffects& effects,
                                  Outcome& outcome) {
  const uint64_t size = access.has_size() ? access.size() : 4;
  if (size < 1 || size > 64) return NotInThisWorld("size");
  if (write && size < 8 && access.value() >> (8 * size) != 0) {
    return NotInThisWorld("value");
  }
  if (access.place_case() == script::Access::PLACE_NOT_SET) {
    return NotInThisWorld("an access of no place");
  }
  if ((access.has_config() || access.has_msix()) && !seat.facts.pci()) {
    return NotInThisWorld("a flat device has none");
  }
  Bytes bytes = write ? ToBytes(access.value(), size) : Bytes(size, 0xff);
  if (!seat.device.has_value()) {
    if (!write) outcome.gives = ToValue(bytes);
    return absl::OkStatus();
  }
  Device& device = *seat.device;
  Region& region = RegionOf(seat);
  if (access.has_config()) {
    if (write) {
      device.WriteConfig(access.config(), bytes, effects);
    } else {
      outcome.gives = ToValue(device.ReadConfig(access.config(), size));
    }
    return absl::OkStatus();
  }
  std::optional<uint64_t> address;
  if (access.has_address()) address = access.address();
  for (const auto& [has, bar, offset] :
       {std::tuple(access.has_registers(), 0, access.registers()),
        std::tuple(access.has_msix(), 1, access.msix()),
        std::tuple(access.has_memory(), 2, access.memory())}) {
    const std::optional<uint64_t> place = device.Place(bar);
    if (has && place.has_value()) address = *place + offset;
  }
  if (address.has_value() && write) {
    device.WriteAddress(*address, bytes, region.memory, effects);
  } else if (address.has_value()) {
    bytes = device.ReadAddress(*address, size, region.memory);
  }
  if (!write) outcome.gives = ToValue(bytes);
  return absl::OkStatus();
}

absl::Status WorldModel::PeerJoins(const script::PeerJoins& join, Seat& seat) {
  Region& region = RegionOf(seat);
  if (join.id() > 0xffff || join.vectors() > 2048) {
    return NotInThisWorld("id or vectors");
  }
  if (!region.IsFree(join.id())) return NotInThisWorld("id in use");
  const uint64_t owner = region.AddOwner(
      {.device = std::nullopt, .peer = join.id()}, join.vectors());
  region.outside[join.id()] = owner;
  region.peers[join.id()] = region.VectorsOf(owner);
  return absl::OkStatus();
}

absl::Status WorldModel::PeerLeaves(uint32_t id, Seat& seat) {
  Region& region = RegionOf(seat);
  const auto peer = region.outside.find(id);
  if (peer == region.outside.end()) return NotInThisWorld("no such peer");
  region.RemoveOwner(peer->second);
  region.outside.erase(peer);
  region.peers.erase(id);
  return absl::OkStatus();
}

// A vector that is replaced is not listened to where it was before.
absl::Status WorldModel::VectorArrives(const script::VectorArrives& arrives,
                                       Seat& seat) {
  Region& region = RegionOf(seat);
  const auto peer = region.outside.find(arrives.id());
  if (peer == region.outside.end() || arrives.vector() > 2047) {
    return NotInThisWorld("no such peer, or vector");
  }
  region.AddVector(peer->second, {.device = std::nullopt,
                                  .peer = arrives.id(),
                                  .vector = arrives.vector()});
  region.peers[arrives.id()] = region.VectorsOf(peer->second);
  return absl::OkStatus();
}

absl::Status WorldModel::DoShare(const script::Share& share, bool store,
                                 Seat& seat, Outcome& outcome) {
  std::vector<uint8_t>& memory = RegionOf(seat).memory;
  const uint64_t size = share.size();
  if (size != 1 && size != 2 && size != 4 && size != 8) {
    return NotInThisWorld("size");
  }
  if (share.offset() % size != 0 || share.offset() >= memory.size() ||
      memory.size() - share.offset() < size) {
    return NotInThisWorld("offset");
  }
  if (size < 8 && share.value() >> (8 * size) != 0) {
    return NotInThisWorld("value");
  }
  if (!store) outcome.gives = 0;
  for (uint64_t i = 0; i < size; ++i) {
    uint8_t& byte = memory[share.offset() + i];
    if (store) {
      byte = static_cast<uint8_t>(share.value() >> (8 * i));
    } else {
      *outcome.gives |= uint64_t{byte} << (8 * i);
    }
  }
  return absl::OkStatus();
}

absl::Status WorldModel::SetId(const script::SetId& set, int seat) {
  Seat& s = seats_[seat];
  if (!set.has_id()) {
    GiveId(s, std::nullopt);
    return absl::OkStatus();
  }
  if (set.id() > 0xffff) return NotInThisWorld("id");
  if (s.id != set.id() && !RegionOf(s).IsFree(set.id())) {
    return NotInThisWorld("id in use");
  }
  GiveId(s, set.id());
  return absl::OkStatus();
}

absl::Status WorldModel::Plug(int seat) {
  Seat& s = seats_[seat];
  if (s.device.has_value()) return NotInThisWorld("it is plugged in");
  const uint32_t id = s.facts.id.value_or(RegionOf(s).LowestFree());
  if (!RegionOf(s).IsFree(id)) return NotInThisWorld("id in use");
  PutIn(seat);
  GiveId(s, id);
  return absl::OkStatus();
}

// The state is all that the guest can see of its device, its id among it, but
// not its peers: those the new device hears of, as any does. What was pending
// and is not masked would have been sent before.
absl::Status WorldModel::Restore(const std::string& name, int seat) {
  const auto saved = saved_.find(name);
  if (saved == saved_.end() || saved->second.seat != seat) {
    return NotInThisWorld("no such state");
  }
  Seat& s = seats_[seat];
  const std::optional<uint32_t> id = saved->second.id;
  if (id.has_value() && id != s.id && !RegionOf(s).IsFree(*id)) {
    return NotInThisWorld("id in use");
  }
  if (s.device.has_value()) TakeOut(seat);
  PutIn(seat);
  s.device = saved->second.device;
  GiveId(s, id);
  return absl::OkStatus();
}

const Device* WorldModel::device(int seat) const {
  return seats_[seat].device.has_value() ? &*seats_[seat].device : nullptr;
}

void WorldModel::PutIn(int seat) {
  Seat& s = seats_[seat];
  s.device.emplace(s.facts);
  s.linked = true;
  s.owner = RegionOf(s).AddOwner({.device = seat}, s.facts.vectors);
}

void WorldModel::TakeOut(int seat) {
  Seat& s = seats_[seat];
  GiveId(s, std::nullopt);
  RegionOf(s).RemoveOwner(s.owner);
  s.device = std::nullopt;
}

// The device is connected to those who share the region, itself included, by
// its id.
void WorldModel::GiveId(Seat& seat, std::optional<uint32_t> id) {
  if (seat.id.has_value()) RegionOf(seat).peers.erase(*seat.id);
  seat.id = id;
  seat.device->SetId(id);
  if (id.has_value()) {
    RegionOf(seat).peers[*id] = RegionOf(seat).VectorsOf(seat.owner);
  }
}

// Who comes and goes is told to everybody who listens; the others go on with
// what they know.
void WorldModel::SpreadNews() {
  for (Seat& seat : seats_) {
    if (seat.linked) seat.known = RegionOf(seat).peers;
  }
}

// A device that is not configured for interrupts, or that has no id yet, rings
// nobody. A device that is rung is interrupted, as by anybody else.
void WorldModel::Follow(int seat, const DeviceEffects& effects,
                        script::Effects& out) {
  Seat& s = seats_[seat];
  for (const SentMessage& sent : effects.messages) {
    script::Message& message = *out.add_messages();
    message.set_device(s.name);
    message.set_address(sent.address);
    message.set_data(sent.data);
  }
  for (int i = 0; i < effects.pulses; ++i) out.add_pulses()->set_device(s.name);
  if (s.facts.interrupts == Interrupts::kNone || !s.id.has_value()) return;
  for (uint32_t doorbell : effects.doorbells) {
    const std::optional<Region::End> rung = RegionOf(s).Ring(s.known, doorbell);
    if (!rung.has_value()) continue;
    if (rung->device.has_value()) {
      DeviceEffects next;
      seats_[*rung->device].device->Interrupt(rung->vector, next);
      Follow(*rung->device, next, out);
    } else {
      script::Ring& ring = *out.add_rings();
      ring.set_peer(rung->peer);
      ring.set_vector(rung->vector);
    }
  }
}

}  // namespace ivshmem::conformance
