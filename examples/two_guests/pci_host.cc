// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/pci_host.h"

#include <algorithm>
#include <cstring>

namespace ivshmem::two_guests {
namespace {

constexpr uint64_t kData = 4;
constexpr uint32_t kEnable = 0x80000000;

}  // namespace

void PciHost::Attach(uint16_t address, MmioHandler& config) {
  functions_.insert_or_assign(address, &config);
}

MmioHandler* PciHost::Target(uint64_t offset, uint64_t size) const {
  if ((address_ & kEnable) == 0 || offset < kData || size > kPorts - offset) {
    return nullptr;
  }
  const auto it = functions_.find(static_cast<uint16_t>(address_ >> 8));
  return it == functions_.end() ? nullptr : it->second;
}

uint64_t PciHost::Register(uint64_t offset) const {
  return (address_ & 0xfc) + (offset - kData);
}

void PciHost::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  std::fill(bytes.begin(), bytes.end(), 0xff);
  if (offset == 0 && bytes.size() == sizeof(address_)) {
    std::memcpy(bytes.data(), &address_, sizeof(address_));
  } else if (MmioHandler* target = Target(offset, bytes.size())) {
    target->Read(Register(offset), bytes);
  }
}

void PciHost::Write(uint64_t offset, absl::Span<const uint8_t> bytes) noexcept {
  if (offset == 0 && bytes.size() == sizeof(address_)) {
    std::memcpy(&address_, bytes.data(), sizeof(address_));
  } else if (MmioHandler* target = Target(offset, bytes.size())) {
    target->Write(Register(offset), bytes);
  }
}

}  // namespace ivshmem::two_guests
