// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/msi_signal.h"

#include <linux/kvm.h>

#include <cstdint>

namespace ivshmem::kvm {

void MsiSignal::Send(const pci::MsiMessage& message) noexcept {
  kvm_msi msi = {};
  msi.address_lo = static_cast<uint32_t>(message.address);
  msi.address_hi = static_cast<uint32_t>(message.address >> 32);
  msi.data = message.data;
  vm_.Ioctl(KVM_SIGNAL_MSI, &msi);
}

}  // namespace ivshmem::kvm
