// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_MMIO_HANDLER_H_
#define IVSHMEM_BUS_MMIO_HANDLER_H_

#include <cstdint>

#include "absl/types/span.h"

namespace ivshmem {

// What a VMM calls for a guest's access to a range: an offset into the range
// and the bytes, in the guest's (little-endian) order. The handler never learns
// the address.
//
// Threading: any vCPU thread, several at once. A handler never blocks and never
// allocates.
//
// Sizes: a guest's access is of 1, 2, 4 or 8 bytes; any other size, and an
// access that reaches past the end of the range, has a defined result as well:
// a read fills all of `bytes`, with ones where nothing answers, and a write
// changes nothing.
class MmioHandler {
 public:
  virtual ~MmioHandler() = default;

  // Fills all of `bytes`.
  virtual void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept = 0;

  virtual void Write(uint64_t offset,
                     absl::Span<const uint8_t> bytes) noexcept = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BUS_MMIO_HANDLER_H_
