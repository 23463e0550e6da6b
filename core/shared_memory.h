// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_SHARED_MEMORY_H_
#define IVSHMEM_CORE_SHARED_MEMORY_H_

#include <cstdint>

namespace ivshmem {

// What a guest may do with memory that it is shown.
enum class MemoryAccess : uint8_t { kReadWrite, kReadOnly };

// A view of the region that the peers share, mapped into this process. It owns
// nothing: who made it keeps it mapped for as long as a device shows it.
//
// Other guests write it at any time, so nothing in it may be trusted or read
// twice.
struct SharedMemory {
  uint8_t* data = nullptr;
  uint64_t size = 0;  // Bytes.
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_SHARED_MEMORY_H_
