// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_ACCESS_H_
#define IVSHMEM_BUS_ACCESS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "absl/types/span.h"

namespace ivshmem {

// What every access of a range has in common.

// Whether `size` bytes at `offset` lie wholly in a range of `limit` bytes, for
// any offset a guest or a caller may come up with.
constexpr bool Contains(uint64_t limit, uint64_t offset, size_t size) {
  return size <= limit && offset <= limit - size;
}

// Bytes in the guest's order as a number; at most 8 of them.
constexpr uint64_t LoadLittleEndian(absl::Span<const uint8_t> bytes) {
  // Nearly all are registers, and byte by byte these take longer than what is
  // done with them.
  if (!std::is_constant_evaluated() && bytes.size() == sizeof(uint32_t) &&
      std::endian::native == std::endian::little) {
    uint32_t dword = 0;
    std::memcpy(&dword, bytes.data(), sizeof(dword));
    return dword;
  }
  uint64_t value = 0;
  for (size_t i = bytes.size(); i > 0; --i) value = value << 8 | bytes[i - 1];
  return value;
}

// The low bytes of `value` in the guest's order; at most 8 of them.
constexpr void StoreLittleEndian(uint64_t value, absl::Span<uint8_t> bytes) {
  if (!std::is_constant_evaluated() && bytes.size() == sizeof(uint32_t) &&
      std::endian::native == std::endian::little) {
    const auto dword = static_cast<uint32_t>(value);
    std::memcpy(bytes.data(), &dword, sizeof(dword));
    return;
  }
  for (uint8_t& byte : bytes) {
    byte = static_cast<uint8_t>(value);
    value >>= 8;
  }
}

}  // namespace ivshmem

#endif  // IVSHMEM_BUS_ACCESS_H_
