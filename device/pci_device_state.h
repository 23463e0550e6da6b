// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_PCI_DEVICE_STATE_H_
#define IVSHMEM_DEVICE_PCI_DEVICE_STATE_H_

#include <array>

#include "bus/pci/bars.h"
#include "bus/pci/function_state.h"
#include "core/device_state.h"
#include "device/memory_state.h"

namespace ivshmem {

// All that the guest of a PciDevice can see of it, but for its peers and the
// memory's content. See PciDevice::Save(); proto/device_state.h makes bytes of
// it.
struct PciDeviceState {
  DeviceState device;
  MemoryState memory;
  pci::FunctionState function;
  // BARs that the host refused to show where the guest has them now. They stay
  // out of its sight until it places them anew.
  std::array<bool, pci::kBars> hidden_bars = {};

  friend bool operator==(const PciDeviceState&,
                         const PciDeviceState&) = default;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_PCI_DEVICE_STATE_H_
