// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_MSI_H_
#define IVSHMEM_BUS_PCI_MSI_H_

#include <cstdint>

namespace ivshmem::pci {

// The memory write by which a function interrupts (PCI Local Bus 3.0, 6.8).
struct MsiMessage {
  uint64_t address = 0;
  uint32_t data = 0;

  friend constexpr bool operator==(const MsiMessage&,
                                   const MsiMessage&) = default;
};

// Where such messages go: the platform's interrupt controller.
//
// Threading: called from any thread, by several at once, never under a lock of
// the library's. It may call back into the device.
class MsiSink {
 public:
  virtual ~MsiSink() = default;

  // Must not block. A message that the platform refuses is the guest's loss, as
  // a write to a wrong address is on hardware.
  virtual void Send(const MsiMessage& message) noexcept = 0;
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_MSI_H_
