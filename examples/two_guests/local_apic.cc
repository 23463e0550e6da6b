// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/local_apic.h"

#include <algorithm>
#include <cstring>

namespace ivshmem::two_guests {
namespace {

constexpr uint64_t kVersion = 0x30;
constexpr uint64_t kEndOfInterrupt = 0xb0;
constexpr uint64_t kSpurious = 0xf0;
constexpr uint32_t kEnabled = 0x100;
constexpr int kFirstLegalVector = 16;

template <typename Bits>
int Highest(const Bits& bits) {
  int i = static_cast<int>(bits.size()) - 1;
  while (i >= 0 && !bits[i]) --i;
  return i;
}

bool IsDword(uint64_t offset, size_t size) {
  return size == 4 && offset % 4 == 0;
}

}  // namespace

void LocalApic::Receive(const pci::MsiMessage& message) noexcept {
  const bool for_us = message.address >> 20 == kAddress >> 20 &&
                      ((message.address >> 12) & 0xff) == 0;
  const bool fixed = ((message.data >> 8) & 7) == 0;
  const int vector = static_cast<int>(message.data & 0xff);
  if (!for_us || !fixed || vector < kFirstLegalVector) return;
  if ((spurious_ & kEnabled) == 0) return;
  requested_.set(vector);
}

std::optional<uint8_t> LocalApic::Pending() const {
  const int vector = Highest(requested_);
  if (vector < 0 || vector >> 4 <= Highest(in_service_) >> 4) {
    return std::nullopt;
  }
  return static_cast<uint8_t>(vector);
}

void LocalApic::Accept(uint8_t vector) {
  requested_.reset(vector);
  in_service_.set(vector);
}

void LocalApic::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  std::fill(bytes.begin(), bytes.end(), 0);
  if (!IsDword(offset, bytes.size())) return;
  uint32_t value = 0;
  if (offset == kVersion) value = 0x14;
  if (offset == kSpurious) value = spurious_;
  std::memcpy(bytes.data(), &value, sizeof(value));
}

void LocalApic::Write(uint64_t offset,
                      absl::Span<const uint8_t> bytes) noexcept {
  if (!IsDword(offset, bytes.size())) return;
  uint32_t value;
  std::memcpy(&value, bytes.data(), sizeof(value));
  if (offset == kSpurious) spurious_ = value;
  if (offset == kEndOfInterrupt) {
    if (const int vector = Highest(in_service_); vector >= 0) {
      in_service_.reset(vector);
    }
  }
}

}  // namespace ivshmem::two_guests
