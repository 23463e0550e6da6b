// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/register_block.h"

#include <algorithm>

#include "bus/access.h"

namespace ivshmem {

void RegisterBlock::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  if (bytes.size() > sizeof(uint64_t)) {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0});
    return;
  }
  StoreLittleEndian(device_.Read(offset, static_cast<int>(bytes.size())),
                    bytes);
}

void RegisterBlock::Write(uint64_t offset,
                          absl::Span<const uint8_t> bytes) noexcept {
  if (bytes.size() > sizeof(uint64_t)) return;
  device_.Write(offset, static_cast<int>(bytes.size()),
                LoadLittleEndian(bytes));
}

}  // namespace ivshmem
