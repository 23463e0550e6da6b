// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_PROTO_DEVICE_STATE_H_
#define IVSHMEM_PROTO_DEVICE_STATE_H_

#include <cstddef>
#include <string>
#include <variant>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "device/flat_device_state.h"
#include "device/pci_device_state.h"

namespace ivshmem {

// Saved devices as bytes (device_state.proto), for a file or another machine.
//
// Threading: any thread.

using SavedDevice = std::variant<PciDeviceState, FlatDeviceState>;

// The most bytes that a saved device may have, in either form. One of 2,048
// vectors has some 60,000, and in text form 200,000.
inline constexpr size_t kMostStateBytes = 512 * 1024;

// The binary form. The same state always gives the same bytes.
std::string EncodeState(const SavedDevice& saved);

// Reads the binary form, or the text form, which is for people and tests.
//
// The bytes may come from anybody. What they say is checked for its form only:
// whether it fits a device, PciDevice::Restore() and FlatDevice::Restore() say.
// Errors: InvalidArgument that names the place ("state.id" or "line 3,
// column 7"), what was expected and what came; also for a newer version of the
// format than 1, and for anything that this library does not know.
absl::StatusOr<SavedDevice> DecodeState(absl::string_view bytes);
absl::StatusOr<SavedDevice> DecodeStateText(absl::string_view text);

}  // namespace ivshmem

#endif  // IVSHMEM_PROTO_DEVICE_STATE_H_
