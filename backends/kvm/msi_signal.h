// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_MSI_SIGNAL_H_
#define IVSHMEM_BACKENDS_KVM_MSI_SIGNAL_H_

#include "backends/kvm/vm.h"
#include "bus/pci/msi.h"

namespace ivshmem::kvm {

// Sends messages into the VM at once (KVM_SIGNAL_MSI): what a vector without a
// route uses.
//
// Threading: any thread.
class MsiSignal : public pci::MsiSink {
 public:
  // `vm` outlives the object, and has an interrupt controller in the kernel.
  explicit MsiSignal(Vm& vm) : vm_(vm) {}

  // What the guest's interrupt controller blocks or does not know is lost, as
  // on hardware.
  void Send(const pci::MsiMessage& message) noexcept override;

 private:
  Vm& vm_;
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_MSI_SIGNAL_H_
