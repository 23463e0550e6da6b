// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_FUNCTION_STATE_H_
#define IVSHMEM_BUS_PCI_FUNCTION_STATE_H_

#include <array>
#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function_spec.h"
#include "bus/pci/msix_state.h"

namespace ivshmem::pci {

// What a function remembers that its guest can see, as Function::Save() gives
// it: plain values, which may come from anywhere. Registers are as a read of
// config space gives them, with the bits that a guest cannot change.
struct FunctionState {
  // What the function was made as. It is restored as nothing else.
  uint16_t vendor_id = 0;
  uint16_t device_id = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;
  uint8_t header_type = 0;
  uint16_t subsystem_vendor_id = 0;
  uint16_t subsystem_id = 0;

  // What the guest wrote.
  uint16_t command = 0;
  uint8_t cache_line_size = 0;
  uint8_t interrupt_line = 0;
  // The six registers: a guest may be half way through the write of a 64-bit
  // BAR, or sizing it.
  std::array<uint32_t, kBars> bars = {};
  uint16_t msix_control = 0;  // 0 without MSI-X.
  MsixState msix;             // None without MSI-X.

  friend bool operator==(const FunctionState&, const FunctionState&) = default;
};

// What `config` holds; MSI-X's table is not in there.
FunctionState SaveConfig(const ConfigSpace& config);

// The configuration space of a function of `spec` in `state`. Errors:
// InvalidArgument that names the field ("state.bars[0]"), what was expected and
// what came.
absl::StatusOr<ConfigSpace> RestoreConfig(const FunctionSpec& spec,
                                          const FunctionState& state);

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_FUNCTION_STATE_H_
