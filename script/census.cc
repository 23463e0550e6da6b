// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/census.h"

#include <cstdint>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "script/wrong.h"

namespace ivshmem::script {
namespace {

// At most.
uint64_t VectorsOf(const DeviceConfig& device) {
  const auto or_default = [](int vectors, const Dialect& dialect) {
    return static_cast<uint64_t>(vectors > 0 ? vectors
                                             : dialect.default_vectors);
  };
  if (const auto* pci = std::get_if<PciDeviceConfig>(&device.bus)) {
    return or_default(pci->device.vectors, pci->device.dialect);
  }
  const auto& flat = std::get<FlatDeviceConfig>(device.bus);
  return or_default(flat.device.block.vectors, kQemuFlat);
}

}  // namespace

absl::Status Census::CheckRoom() const {
  uint64_t connections = 0;
  for (const auto& [name, region] : regions_) {
    connections += region.devices * (region.vectors + region.joined_vectors);
  }
  if (connections <= kMostConnections) return absl::OkStatus();
  return Invalid("vectors",
                 absl::StrCat("at most ", kMostConnections,
                              " that devices can ring, in all"),
                 absl::StrCat(connections));
}

absl::Status Census::Start() {
  if (world_.devices.size() > kMostDevices) {
    return Invalid("devices", absl::StrCat("at most ", kMostDevices),
                   absl::StrCat(world_.devices.size()));
  }
  for (const DeviceConfig& device : world_.devices) {
    Region& region = regions_[device.region];
    ++region.devices;
    region.vectors += VectorsOf(device);
  }
  if (absl::Status room = CheckRoom(); !room.ok()) return room;
  for (const bool with_id : {true, false}) {
    for (size_t i = 0; i < world_.devices.size(); ++i) {
      if (world_.devices[i].id.has_value() != with_id) continue;
      const absl::Status plugged = Plug(world_.devices[i]);
      if (!plugged.ok()) {
        return absl::InvalidArgumentError(
            absl::StrFormat("devices[%d].%s", i, plugged.message()));
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Census::CheckFree(const DeviceConfig& device, uint32_t id) const {
  if (id >= kMaxPeers) {
    return Invalid("id", absl::StrCat("0..", kMaxPeers - 1), absl::StrCat(id));
  }
  if (!regions_.at(device.region).used.contains(id)) return absl::OkStatus();
  return Invalid("id", "a free one",
                 absl::StrFormat("%d, which is in use", id));
}

absl::Status Census::Take(const DeviceConfig& device, Id id) {
  if (id.has_value()) {
    absl::Status is_free = CheckFree(device, *id);
    if (!is_free.ok()) return is_free;
    regions_[device.region].used.insert(*id);
  }
  plugged_[&device] = id;
  return absl::OkStatus();
}

void Census::Release(const DeviceConfig& device) {
  const auto plugged = plugged_.find(&device);
  if (plugged == plugged_.end()) return;
  if (plugged->second.has_value()) {
    regions_[device.region].used.erase(*plugged->second);
  }
  plugged_.erase(plugged);
}

absl::Status Census::Plug(const DeviceConfig& device) {
  if (plugged_.contains(&device)) {
    return Invalid("device", "one that is unplugged",
                   absl::StrFormat("'%s'", device.name));
  }
  if (device.id.has_value()) return Take(device, *device.id);
  uint32_t lowest = 0;
  for (const uint32_t used : regions_[device.region].used) {
    if (used != lowest) break;
    ++lowest;
  }
  if (lowest >= kMaxPeers) return Invalid("id", "a free one", "none");
  return Take(device, lowest);
}

absl::Status Census::CheckPlugged(const DeviceConfig& device) const {
  if (plugged_.contains(&device)) return absl::OkStatus();
  return Invalid("device", "one that is plugged in",
                 absl::StrFormat("'%s', which is unplugged", device.name));
}

absl::Status Census::Unplug(const DeviceConfig& device) {
  absl::Status there = CheckPlugged(device);
  if (there.ok()) Release(device);
  return there;
}

absl::Status Census::SetId(const DeviceConfig& device, Id id) {
  absl::Status there = CheckPlugged(device);
  if (!there.ok() || plugged_[&device] == id) return there;
  if (id.has_value()) {
    absl::Status is_free = CheckFree(device, *id);
    if (!is_free.ok()) return is_free;
  }
  Release(device);
  return Take(device, id);
}

absl::Status Census::Join(const DeviceConfig& device, const PeerJoins& joins) {
  absl::Status is_free = CheckFree(device, joins.id());
  if (!is_free.ok()) return is_free;
  Region& region = regions_[device.region];
  region.used.insert(joins.id());
  region.joined[joins.id()] = joins.vectors();
  region.joined_vectors += joins.vectors();
  return CheckRoom();
}

absl::Status Census::CheckJoined(const DeviceConfig& device,
                                 uint32_t id) const {
  if (regions_.at(device.region).joined.contains(id)) return absl::OkStatus();
  return Invalid("id", "that of a peer that joined", absl::StrCat(id));
}

absl::Status Census::Leave(const DeviceConfig& device, uint32_t id) {
  absl::Status is_there = CheckJoined(device, id);
  if (!is_there.ok()) return is_there;
  Region& region = regions_[device.region];
  const auto peer = region.joined.find(id);
  region.joined_vectors -= peer->second;
  region.joined.erase(peer);
  region.used.erase(id);
  return absl::OkStatus();
}

absl::Status Census::Save(const DeviceConfig& device, const std::string& name) {
  absl::Status there = CheckPlugged(device);
  if (!there.ok()) return there;
  if (saved_.size() >= kMostSaves && !saved_.contains(name)) {
    return Invalid("name", absl::StrFormat("one of %d at most", kMostSaves),
                   "another");
  }
  saved_[name] = plugged_[&device];
  return there;
}

absl::Status Census::Restore(const DeviceConfig& device,
                             const std::string& name) {
  const auto saved = saved_.find(name);
  if (saved == saved_.end()) {
    return Invalid("name", "that of a state that was saved",
                   absl::StrFormat("'%s'", name));
  }
  const auto plugged = plugged_.find(&device);
  const bool keeps =
      plugged != plugged_.end() && plugged->second == saved->second;
  if (saved->second.has_value() && !keeps) {
    absl::Status is_free = CheckFree(device, *saved->second);
    if (!is_free.ok()) return is_free;
  }
  Release(device);
  return Take(device, saved->second);
}

}  // namespace ivshmem::script
