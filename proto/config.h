// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_PROTO_CONFIG_H_
#define IVSHMEM_PROTO_CONFIG_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "device/flat_device.h"
#include "device/pci_device.h"

namespace ivshmem {

namespace config {
class World;  // config.proto
}  // namespace config

// A checked configuration (config.proto), in the library's own terms.

struct RegionConfig {
  std::string name;
  uint64_t size = 0;
};

struct PciDeviceConfig {
  int slot = 0;
  int function = 0;
  PciDevice::Config device;
};

struct FlatDeviceConfig {
  std::optional<uint32_t> irq;
  FlatDevice::Config device;
};

struct DeviceConfig {
  std::string name;
  std::string region;
  uint64_t size = 0;         // The region's.
  std::optional<PeerId> id;  // For whoever binds it; absent: any.
  std::variant<PciDeviceConfig, FlatDeviceConfig> bus;
};

struct WorldConfig {
  std::vector<RegionConfig> regions;
  std::vector<DeviceConfig> devices;
};

// The world that `world` describes. Errors: InvalidArgument that names the
// place, as "devices[1].region", what was expected and what came. What a device
// checks when it is made is checked then.
absl::StatusOr<WorldConfig> ToWorldConfig(const config::World& world);

// The same of a config.proto World in text form. An error may also name the
// place as "line 3, column 7".
absl::StatusOr<WorldConfig> ParseWorld(absl::string_view text);

}  // namespace ivshmem

#endif  // IVSHMEM_PROTO_CONFIG_H_
