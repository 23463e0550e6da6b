// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_MEMORY_H_
#define IVSHMEM_CAPI_MEMORY_H_

#include <memory>
#include <optional>

#include "backends/linux/memory_object.h"
#include "capi/in_use.h"
#include "core/shared_memory.h"
#include "ivshmem/ivshmem.h"

namespace ivshmem::capi {

// Mapped for as long as a handle or a device has it.
struct Memory {
  InUse::Use link;  // The one that has it mapped.
  std::optional<MemoryObject> object;
  MappedMemory mapped;
  SharedMemory view;
};

}  // namespace ivshmem::capi

struct ivshmem_memory {
  const std::shared_ptr<const ivshmem::capi::Memory> memory;
};

#endif  // IVSHMEM_CAPI_MEMORY_H_
