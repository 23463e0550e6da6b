// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/function_state.h"

#include <array>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "bus/access.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function_spec.h"
#include "bus/pci/registers.h"

namespace ivshmem::pci {
namespace {

uint32_t ReadField(const ConfigSpace& config, int offset, int size) {
  std::array<uint8_t, 4> bytes;
  const absl::Span<uint8_t> field = absl::MakeSpan(bytes).subspan(0, size);
  config.Read(offset, field);
  return static_cast<uint32_t>(LoadLittleEndian(field));
}

// Writes `value` as a guest would, and expects it to be there then. So a
// restored config space is one that a guest can bring about, whatever is
// writable in it.
absl::Status RestoreField(const char* name, int offset, int size,
                          uint32_t value, ConfigSpace& config) {
  std::array<uint8_t, 4> bytes;
  const absl::Span<uint8_t> field = absl::MakeSpan(bytes).subspan(0, size);
  StoreLittleEndian(value, field);
  config.Write(offset, field);
  const uint32_t stored = ReadField(config, offset, size);
  if (stored == value) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "state.%s: expected %#x, as the configuration has the bits that no guest "
      "can change, got %#x",
      name, stored, value));
}

struct Field {
  const char* name;
  int offset;
  int size;
  uint32_t value;
};

}  // namespace

FunctionState SaveConfig(const ConfigSpace& config) {
  FunctionState state;
  state.vendor_id = config.Get16(kVendorId);
  state.device_id = config.Get16(kDeviceId);
  state.revision = ReadField(config, kRevision, 1);
  state.class_code = config.Get32(kRevision) >> 8;
  state.header_type = ReadField(config, kHeaderType, 1);
  state.subsystem_vendor_id = config.Get16(kSubsystemVendorId);
  state.subsystem_id = config.Get16(kSubsystemId);
  state.command = config.Get16(kCommand);
  state.cache_line_size = ReadField(config, kCacheLineSize, 1);
  state.interrupt_line = ReadField(config, kInterruptLine, 1);
  for (int bar = 0; bar < kBars; ++bar) {
    state.bars[bar] = config.Get32(kBar0 + 4 * bar);
  }
  // Zeros where there is no such capability.
  state.msix_control = config.Get16(kMsixControl);
  return state;
}

absl::StatusOr<ConfigSpace> RestoreConfig(const FunctionSpec& spec,
                                          const FunctionState& state) {
  const Field fields[] = {
      {"vendor_id", kVendorId, 2, state.vendor_id},
      {"device_id", kDeviceId, 2, state.device_id},
      {"revision", kRevision, 1, state.revision},
      {"class_code", kRevision + 1, 3, state.class_code},
      {"header_type", kHeaderType, 1, state.header_type},
      {"subsystem_vendor_id", kSubsystemVendorId, 2, state.subsystem_vendor_id},
      {"subsystem_id", kSubsystemId, 2, state.subsystem_id},
      {"command", kCommand, 2, state.command},
      {"cache_line_size", kCacheLineSize, 1, state.cache_line_size},
      {"interrupt_line", kInterruptLine, 1, state.interrupt_line},
      {"bars[0]", kBar0, 4, state.bars[0]},
      {"bars[1]", kBar0 + 4, 4, state.bars[1]},
      {"bars[2]", kBar0 + 8, 4, state.bars[2]},
      {"bars[3]", kBar0 + 12, 4, state.bars[3]},
      {"bars[4]", kBar0 + 16, 4, state.bars[4]},
      {"bars[5]", kBar0 + 20, 4, state.bars[5]},
      {"msix_control", kMsixControl, 2, state.msix_control},
  };
  static_assert(kBars == 6);
  ConfigSpace config = InitialConfig(spec);
  for (const Field& field : fields) {
    const absl::Status status =
        RestoreField(field.name, field.offset, field.size, field.value, config);
    if (!status.ok()) return status;
  }
  if (state.msix.size() != static_cast<size_t>(spec.msix_vectors)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "state.msix: expected %d vectors, as configured, got %d",
        spec.msix_vectors, state.msix.size()));
  }
  return config;
}

}  // namespace ivshmem::pci
