// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_CENSUS_H_
#define IVSHMEM_SCRIPT_CENSUS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "proto/config.h"

namespace ivshmem::script {

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
  absl::Status Join(const DeviceConfig& device, uint32_t id);
  absl::Status Leave(const DeviceConfig& device, uint32_t id);
  absl::Status CheckJoined(const DeviceConfig& device, uint32_t id) const;

  absl::Status Save(const DeviceConfig& device, const std::string& name);
  absl::Status Restore(const DeviceConfig& device, const std::string& name);

 private:
  using Id = std::optional<uint32_t>;

  absl::Status CheckFree(const DeviceConfig& device, uint32_t id) const;
  absl::Status Take(const DeviceConfig& device, Id id);
  void Release(const DeviceConfig& device);

  const WorldConfig& world_;
  std::map<std::string, std::set<uint32_t>> used_;    // By region.
  std::map<std::string, std::set<uint32_t>> joined_;  // Outside peers of these.
  std::map<const DeviceConfig*, Id> plugged_;
  std::map<std::string, Id> saved_;  // The id that the device had.
};

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_CENSUS_H_
