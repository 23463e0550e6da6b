// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_DEVICES_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_DEVICES_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "core/doorbell.h"
#include "proto/config.h"

namespace ivshmem::two_guests {

// The configuration (proto/config.proto) without --config.
extern const char kDefaultDevices[];

// The PC's device and the board's, and the region that they share.
struct Devices {
  RegionConfig region;
  PciDeviceConfig pc;
  std::optional<PeerId> pc_id;
  FlatDeviceConfig board;
  std::optional<PeerId> board_id;
  // What it was read from, and how that calls the PC's device.
  std::string text;
  std::string pc_name;
};

// From a World in text form. Errors: as ParseWorld(), and InvalidArgument for a
// world that does not have the two devices, or has the board's where its
// software does not look: a board's memory map is fixed.
absl::StatusOr<Devices> ReadDevices(absl::string_view text);

// Those of kDefaultDevices.
Devices DefaultDevices();

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_DEVICES_H_
