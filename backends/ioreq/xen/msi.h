// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_MSI_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_MSI_H_

#include "backends/ioreq/xen/hypervisor.h"
#include "bus/pci/msi.h"

namespace ivshmem::xen {

// Sends messages into the domain at once (XEN_DMOP_inject_msi). Xen has nothing
// that would send one from an eventfd without this process.
//
// Threading: any thread.
class Msi : public pci::MsiSink {
 public:
  // `device_model` outlives the object.
  explicit Msi(DeviceModel& device_model) : device_model_(device_model) {}

  // What Xen refuses is lost, as on hardware.
  void Send(const pci::MsiMessage& message) noexcept override;

 private:
  DeviceModel& device_model_;
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_MSI_H_
