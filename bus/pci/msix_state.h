// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_MSIX_STATE_H_
#define IVSHMEM_BUS_PCI_MSIX_STATE_H_

#include <cstdint>
#include <vector>

namespace ivshmem::pci {

// One vector's entry in the table, as the guest wrote it, and its pending bit.
struct MsixVectorState {
  uint64_t address = 0;
  uint32_t data = 0;
  uint32_t control = 0;
  bool pending = false;

  friend bool operator==(const MsixVectorState&,
                         const MsixVectorState&) = default;
};

// All vectors of a function, in order.
using MsixState = std::vector<MsixVectorState>;

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_MSIX_STATE_H_
