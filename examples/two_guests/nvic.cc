// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/nvic.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace ivshmem::two_guests {
namespace {

constexpr uint64_t kSetEnable = 0x100;
constexpr uint64_t kClearEnable = 0x180;
constexpr uint64_t kSetPending = 0x200;
constexpr uint64_t kClearPending = 0x280;

bool IsDword(uint64_t offset, size_t size) {
  return size == 4 && offset % 4 == 0;
}

}  // namespace

std::optional<int> Nvic::Pending() const {
  const uint32_t ready = pending_ & enabled_;
  if (ready == 0) return std::nullopt;
  return std::countr_zero(ready);
}

void Nvic::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  std::fill(bytes.begin(), bytes.end(), 0);
  if (!IsDword(offset, bytes.size())) return;
  uint32_t value = 0;
  if (offset == kSetEnable || offset == kClearEnable) value = enabled_;
  if (offset == kSetPending || offset == kClearPending) value = pending_;
  std::memcpy(bytes.data(), &value, sizeof(value));
}

void Nvic::Write(uint64_t offset, absl::Span<const uint8_t> bytes) noexcept {
  if (!IsDword(offset, bytes.size())) return;
  uint32_t value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  if (offset == kSetEnable) enabled_ |= value;
  if (offset == kClearEnable) enabled_ &= ~value;
  if (offset == kSetPending) pending_ |= value;
  if (offset == kClearPending) pending_ &= ~value;
}

}  // namespace ivshmem::two_guests
