// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/config_space.h"

#include <cassert>
#include <cstddef>
#include <cstdint>

#include "absl/types/span.h"
#include "bus/access.h"

namespace ivshmem::pci {

void ConfigSpace::Set8(int offset, uint8_t value) {
  StoreLittleEndian(value, At(offset, 1));
}

void ConfigSpace::Set16(int offset, uint16_t value) {
  StoreLittleEndian(value, At(offset, 2));
}

void ConfigSpace::Set32(int offset, uint32_t value) {
  StoreLittleEndian(value, At(offset, 4));
}

uint8_t ConfigSpace::Get8(int offset) const {
  return static_cast<uint8_t>(LoadLittleEndian(At(offset, 1)));
}

uint16_t ConfigSpace::Get16(int offset) const {
  return static_cast<uint16_t>(LoadLittleEndian(At(offset, 2)));
}

uint32_t ConfigSpace::Get32(int offset) const {
  return static_cast<uint32_t>(LoadLittleEndian(At(offset, 4)));
}

void ConfigSpace::AllowWrite(int offset, uint32_t mask) {
  for (; mask != 0; ++offset, mask >>= 8) {
    assert(Contains(kSize, offset, 1));
    writable_[offset] |= static_cast<uint8_t>(mask);
  }
}

void ConfigSpace::Read(uint64_t offset, absl::Span<uint8_t> bytes) const {
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = Inside(offset, i) ? value_[offset + i] : 0xff;
  }
}

void ConfigSpace::Write(uint64_t offset, absl::Span<const uint8_t> bytes) {
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (!Inside(offset, i)) return;
    const uint8_t writable = writable_[offset + i];
    uint8_t& value = value_[offset + i];
    value = (value & ~writable) | (bytes[i] & writable);
  }
}

absl::Span<uint8_t> ConfigSpace::At(int offset, int size) {
  assert(Contains(kSize, offset, size));
  return absl::MakeSpan(value_).subspan(offset, size);
}

absl::Span<const uint8_t> ConfigSpace::At(int offset, int size) const {
  assert(Contains(kSize, offset, size));
  return absl::MakeConstSpan(value_).subspan(offset, size);
}

}  // namespace ivshmem::pci
