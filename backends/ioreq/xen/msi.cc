// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/msi.h"

namespace ivshmem::xen {

void Msi::Send(const pci::MsiMessage& message) noexcept {
  device_model_.InjectMsi(message.address, message.data);
}

}  // namespace ivshmem::xen
