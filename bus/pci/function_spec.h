// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_FUNCTION_SPEC_H_
#define IVSHMEM_BUS_PCI_FUNCTION_SPEC_H_

#include <cstdint>

#include "absl/status/status.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"

namespace ivshmem::pci {

// What makes one function differ from another.
struct FunctionSpec {
  uint16_t vendor_id = 0;
  uint16_t device_id = 0;
  uint8_t revision = 0;
  uint32_t class_code = 0;  // 24 bits: base class, sub-class, interface.
  uint16_t subsystem_vendor_id = 0;
  uint16_t subsystem_id = 0;
  bool multi_function = false;
  BarSpecs bars;
  // MSI-X, in a BAR of its own whose spec follows from MsixLayout (do not set
  // it in `bars`). 0 vectors: no MSI-X and no such BAR.
  int msix_vectors = 0;
  int msix_bar = 1;
  bool intx = false;  // Interrupt pin A.
};

// Errors name the field, what it should hold and what it holds. What follows is
// for specs that pass.
absl::Status ValidateSpec(const FunctionSpec& spec);

// The BARs with MSI-X's among them.
BarSpecs AllBars(const FunctionSpec& spec);

// The configuration space as it leaves reset.
ConfigSpace InitialConfig(const FunctionSpec& spec);

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_FUNCTION_SPEC_H_
