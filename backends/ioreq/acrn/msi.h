// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_MSI_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_MSI_H_

#include "backends/ioreq/acrn/hsm.h"
#include "bus/pci/msi.h"

namespace ivshmem::acrn {

// Sends messages into the VM at once (ACRN_IOCTL_INJECT_MSI): what a vector
// without a route uses.
//
// Threading: any thread.
class MsiInjector : public pci::MsiSink {
 public:
  // `hsm` outlives the object.
  explicit MsiInjector(Hsm& hsm) : hsm_(hsm) {}

  // What the hypervisor does not accept is lost, as on hardware.
  void Send(const pci::MsiMessage& message) noexcept override;

 private:
  Hsm& hsm_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_MSI_H_
