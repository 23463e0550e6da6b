// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_DEVICE_OPTIONS_H_
#define IVSHMEM_CAPI_DEVICE_OPTIONS_H_

#include "absl/status/statusor.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// What the options say of a device, in the library's terms. Errors:
// InvalidArgument that names the option. What a device itself refuses is left
// to it.
absl::StatusOr<PciDevice::Config> ToConfig(const ivshmem_pci_options& options);
absl::StatusOr<FlatDevice::Config> ToConfig(
    const ivshmem_flat_options& options);

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_DEVICE_OPTIONS_H_
