// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_REGISTER_BLOCK_H_
#define IVSHMEM_BUS_REGISTER_BLOCK_H_

#include <cstdint>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "core/device.h"

namespace ivshmem {

// A device's registers as a range of bytes: BAR0, or the flat register range.
// Accesses of 1, 2, 4 and 8 bytes do what the device's dialect says; those of
// another length read 0 and write nothing.
class RegisterBlock : public MmioHandler {
 public:
  // `device` outlives the block.
  explicit RegisterBlock(Device& device) : device_(device) {}

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

 private:
  Device& device_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BUS_REGISTER_BLOCK_H_
