// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_CONFIG_SPACE_H_
#define IVSHMEM_BUS_PCI_CONFIG_SPACE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"

namespace ivshmem::pci {

// The 256 bytes of a function's configuration space: storage, and for each bit
// whether a guest may write it. What the bits mean is Function's business.
//
// Threading: none of its own; Function guards it.
class ConfigSpace {
 public:
  static constexpr int kSize = 256;

  // The device's side: sets the number (1, 2 or 4 bytes, little endian) at
  // `offset`, whatever the write mask says, or gives it.
  void Set8(int offset, uint8_t value);
  void Set16(int offset, uint16_t value);
  void Set32(int offset, uint32_t value);
  uint8_t Get8(int offset) const;
  uint16_t Get16(int offset) const;
  uint32_t Get32(int offset) const;

  // Lets the guest write the bits of `mask` at `offset`. All bits are read-only
  // until this is called.
  void AllowWrite(int offset, uint32_t mask);

  // The guest's side: any width and alignment. Bytes past the end read as ones
  // and are not written.
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) const;
  void Write(uint64_t offset, absl::Span<const uint8_t> bytes);

 private:
  // Whether byte `i` of an access at `offset` exists; `offset` may be anything.
  static bool Inside(uint64_t offset, size_t i) {
    return offset < kSize && i < kSize - offset;
  }

  absl::Span<uint8_t> At(int offset, int size);
  absl::Span<const uint8_t> At(int offset, int size) const;

  std::array<uint8_t, kSize> value_ = {};
  std::array<uint8_t, kSize> writable_ = {};
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_CONFIG_SPACE_H_
