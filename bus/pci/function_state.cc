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

// Writes a register as a guest would.
template <typename T>
void Write(int offset, T value, ConfigSpace& config) {
  std::array<uint8_t, sizeof(T)> bytes;
  StoreLittleEndian(value, absl::MakeSpan(bytes));
  config.Write(offset, bytes);
}

struct Field {
  const char* name;
  uint32_t stored;
  uint32_t value;
};

absl::Status ExpectStored(const FunctionState& stored,
                          const FunctionState& state) {
  const Field fields[] = {
      {"vendor_id", stored.vendor_id, state.vendor_id},
      {"device_id", stored.device_id, state.device_id},
      {"revision", stored.revision, state.revision},
      {"class_code", stored.class_code, state.class_code},
      {"header_type", stored.header_type, state.header_type},
      {"subsystem_vendor_id", stored.subsystem_vendor_id,
       state.subsystem_vendor_id},
      {"subsystem_id", stored.subsystem_id, state.subsystem_id},
      {"command", stored.command, state.command},
      {"cache_line_size", stored.cache_line_size, state.cache_line_size},
      {"interrupt_line", stored.interrupt_line, state.interrupt_line},
      {"bars[0]", stored.bars[0], state.bars[0]},
      {"bars[1]", stored.bars[1], state.bars[1]},
      {"bars[2]", stored.bars[2], state.bars[2]},
      {"bars[3]", stored.bars[3], state.bars[3]},
      {"bars[4]", stored.bars[4], state.bars[4]},
      {"bars[5]", stored.bars[5], state.bars[5]},
      {"msix_control", stored.msix_control, state.msix_control},
  };
  static_assert(kBars == 6);
  for (const Field& field : fields) {
    if (field.stored == field.value) continue;
    return absl::InvalidArgumentError(absl::StrFormat(
        "state.%s: expected %#x, as the configuration has the bits that no "
        "guest can change, got %#x",
        field.name, field.stored, field.value));
  }
  return absl::OkStatus();
}

}  // namespace

FunctionState SaveConfig(const ConfigSpace& config) {
  FunctionState state;
  state.vendor_id = config.Get16(kVendorId);
  state.device_id = config.Get16(kDeviceId);
  state.revision = config.Get8(kRevision);
  state.class_code = config.Get32(kRevision) >> 8;
  state.header_type = config.Get8(kHeaderType);
  state.subsystem_vendor_id = config.Get16(kSubsystemVendorId);
  state.subsystem_id = config.Get16(kSubsystemId);
  state.command = config.Get16(kCommand);
  state.cache_line_size = config.Get8(kCacheLineSize);
  state.interrupt_line = config.Get8(kInterruptLine);
  for (const int bar : kBarNumbers) {
    state.bars[bar] = config.Get32(kBar0 + 4 * bar);
  }
  // Zeros where there is no such capability.
  state.msix_control = config.Get16(kMsixControl);
  return state;
}

absl::StatusOr<ConfigSpace> RestoreConfig(const FunctionSpec& spec,
                                          const FunctionState& state) {
  ConfigSpace config = InitialConfig(spec);
  // Written as a guest would, all is there then only if a guest can bring it
  // about, whatever is writable.
  Write(kCommand, state.command, config);
  Write(kCacheLineSize, state.cache_line_size, config);
  Write(kInterruptLine, state.interrupt_line, config);
  for (const int bar : kBarNumbers) {
    Write(kBar0 + 4 * bar, state.bars[bar], config);
  }
  Write(kMsixControl, state.msix_control, config);
  const absl::Status status = ExpectStored(SaveConfig(config), state);
  if (!status.ok()) return status;
  if (state.msix.size() != static_cast<size_t>(spec.msix_vectors)) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "state.msix: expected %d vectors, as configured, got %d",
        spec.msix_vectors, state.msix.size()));
  }
  return config;
}

}  // namespace ivshmem::pci
