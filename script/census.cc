// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/census.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "core/doorbell.h"
#include "script/wrong.h"

namespace ivshmem::script {
absl::Status Census::Start() {
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
  const auto used = used_.find(device.region);
  if (used == used_.end() || !used->second.contains(id)) {
    return absl::OkStatus();
  }
  return Invalid("id", "a free one",
                 absl::StrFormat("%d, which is in use", id));
}

absl::Status Census::Take(const DeviceConfig& device, Id id) {
  if (id.has_value()) {
    absl::Status is_free = CheckFree(device, *id);
    if (!is_free.ok()) return is_free;
    used_[device.region].insert(*id);
  }
  plugged_[&device] = id;
  return absl::OkStatus();
}

void Census::Release(const DeviceConfig& device) {
  const auto plugged = plugged_.find(&device);
  if (plugged == plugged_.end()) return;
  if (plugged->second.has_value()) {
    used_[device.region].erase(*plugged->second);
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
  for (const uint32_t used : used_[device.region]) {
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

absl::Status Census::Join(const DeviceConfig& device, uint32_t id) {
  absl::Status is_free = CheckFree(device, id);
  if (!is_free.ok()) return is_free;
  used_[device.region].insert(id);
  joined_[device.region].insert(id);
  return absl::OkStatus();
}

absl::Status Census::CheckJoined(const DeviceConfig& device,
                                 uint32_t id) const {
  const auto joined = joined_.find(device.region);
  if (joined != joined_.end() && joined->second.contains(id)) {
    return absl::OkStatus();
  }
  return Invalid("id", "that of a peer that joined", absl::StrCat(id));
}

absl::Status Census::Leave(const DeviceConfig& device, uint32_t id) {
  absl::Status joined = CheckJoined(device, id);
  if (!joined.ok()) return joined;
  used_[device.region].erase(id);
  joined_[device.region].erase(id);
  return absl::OkStatus();
}

absl::Status Census::Save(const DeviceConfig& device, const std::string& name) {
  absl::Status there = CheckPlugged(device);
  if (there.ok()) saved_[name] = plugged_[&device];
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
