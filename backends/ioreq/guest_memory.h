// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_GUEST_MEMORY_H_
#define IVSHMEM_BACKENDS_IOREQ_GUEST_MEMORY_H_

#include <cstdint>

#include "absl/types/span.h"

namespace ivshmem::ioreq {

// The guest's RAM, for string instructions, whose operands are there.
//
// Threading: any thread, several at once.
class GuestMemory {
 public:
  virtual ~GuestMemory() = default;

  // Copies all of `bytes`, or returns false: [address, address + size) is not
  // all RAM. Of a write that fails, some may have been written.
  virtual bool Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept = 0;
  virtual bool Write(uint64_t address,
                     absl::Span<const uint8_t> bytes) noexcept = 0;
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_GUEST_MEMORY_H_
