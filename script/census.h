// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_CENSUS_H_
#define IVSHMEM_SCRIPT_CENSUS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/config.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// What a Script may make who plays it hold, as few bytes of one ask for much.
inline constexpr size_t kMostDevices = 64;
inline constexpr size_t kMostSaves = 256;  // Names.
// Vectors that can be rung, for each device that can ring them.
inline constexpr uint64_t kMostConnections = uint64_t{1} << 18;

// Who is there in a Script's world: devices, outside peers, ids, saved states.
// Each function takes a step and says what is wrong with it, as InvalidArgument
// that names the field of the step's operation.
//
// Threading: one thread.
class Census {
 public:
  // `world` outlives the object.
  explicit Census(const WorldConfig& world) : world_(world) {}

  // All devices are plugged in.
  absl::Status Start();

  absl::Status Plug(const DeviceConfig& device);
  absl::Status Unplug(const DeviceConfig& device);
  absl::Status CheckPlugged(const DeviceConfig& device) const;
  absl::Status SetId(const DeviceConfig& device, std::optional<uint32_t> id);

  // Of the device's region.
  absl::Status Join(const DeviceConfig& device, const PeerJoins& joins);
  absl::Status Leave(const DeviceConfig& device, uint32_t id);
  absl::Status CheckJoined(const DeviceConfig& device, uint32_t id) const;

  absl::Status Save(const DeviceConfig& device, const std::string& name);
  absl::Status Restore(const DeviceConfig& device, const std::string& name);

 private:
  using Id = std::optional<uint32_t>;

  struct Region {
    uint64_t devices = 0;
    uint64_t vectors = 0;                 // Of all its devices.
    std::set<uint32_t> used;              // Ids.
    std::map<uint32_t, uint32_t> joined;  // Outside peers' vectors.
    uint64_t joined_vectors = 0;
  };

  absl::Status CheckRoom() const;
  absl::Status CheckFree(const DeviceConfig& device, uint32_t id) const;
  absl::Status Take(const DeviceConfig& device, Id id);
  void Release(const DeviceConfig& device);

  const WorldConfig& world_;
  std::map<std::string, Region> regions_;
  std::map<const DeviceConfig*, Id> plugged_;
  std::map<std::string, Id> saved_;  // The id that the device had.
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_CENSUS_H_
