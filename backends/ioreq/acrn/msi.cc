// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/msi.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

namespace ivshmem::acrn {

void MsiInjector::Send(const pci::MsiMessage& message) noexcept {
  acrn_msi_entry msi = {};
  msi.msi_addr = message.address;
  msi.msi_data = message.data;
  hsm_.Ioctl(ACRN_IOCTL_INJECT_MSI, &msi);
}

}  // namespace ivshmem::acrn
