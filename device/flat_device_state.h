// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_FLAT_DEVICE_STATE_H_
#define IVSHMEM_DEVICE_FLAT_DEVICE_STATE_H_

#include <cstdint>

#include "core/device_state.h"
#include "device/memory_state.h"

namespace ivshmem {

// All that the guest of a FlatDevice can see of it, but for its peers and the
// memory's content. See FlatDevice::Save(); proto/device_state.h makes bytes of
// it.
struct FlatDeviceState {
  DeviceState device;
  MemoryState memory;
  uint64_t registers_address = 0;
  uint64_t memory_address = 0;

  friend bool operator==(const FlatDeviceState&,
                         const FlatDeviceState&) = default;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_FLAT_DEVICE_STATE_H_
