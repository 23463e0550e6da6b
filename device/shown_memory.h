// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_SHOWN_MEMORY_H_
#define IVSHMEM_DEVICE_SHOWN_MEMORY_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "core/events.h"
#include "core/shared_memory.h"

namespace ivshmem {

// By what a device shows its memory to the guest. Each may be null.
struct MemoryHost {
  MmioSpace* mmio = nullptr;
  MemoryMapper* mapper = nullptr;
  DeviceEvents* events = nullptr;
};

// Shows `memory` to the guest at `address` until the registration goes: mapped,
// or, without a mapper, as a range whose accesses go to `trapped`. Where writes
// to read-only memory trap although it is mapped, these go to `trapped`, too;
// an event warns if that range cannot be had, and all else is as it was.
// Without a mapper and a space: null, and no error. Errors: what these say.
//
// `memory` and `trapped` outlive the registration.
absl::StatusOr<RegistrationPtr> ShowMemory(uint64_t address,
                                           const SharedMemory& memory,
                                           MemoryAccess access,
                                           MmioHandler& trapped,
                                           const MemoryHost& host);

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_SHOWN_MEMORY_H_
