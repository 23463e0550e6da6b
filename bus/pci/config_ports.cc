// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/config_ports.h"

#include <algorithm>
#include <optional>

#include "bus/access.h"

namespace ivshmem::pci {
namespace {

constexpr uint64_t kAddress = 0;
constexpr uint64_t kData = 4;
constexpr uint32_t kEnable = 0x80000000;

// Whose register an access of the data port is for, as an offset into the ECAM
// window.
std::optional<uint64_t> Target(uint32_t address, uint64_t offset,
                               uint64_t size) {
  if ((address & kEnable) == 0 || offset < kData ||
      !Contains(ConfigPorts::kPorts, offset, size)) {
    return std::nullopt;
  }
  const uint64_t function = (address >> 8) & 0xffff;
  return function * kEcamFunctionSize + (address & 0xfc) + (offset - kData);
}

}  // namespace

void ConfigPorts::Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept {
  const uint32_t address = address_.load(std::memory_order_relaxed);
  if (offset == kAddress && bytes.size() == sizeof(address)) {
    StoreLittleEndian(address, bytes);
  } else if (const auto target = Target(address, offset, bytes.size())) {
    ecam_.Read(*target, bytes);
  } else {
    std::fill(bytes.begin(), bytes.end(), 0xff);
  }
}

void ConfigPorts::Write(uint64_t offset,
                        absl::Span<const uint8_t> bytes) noexcept {
  const uint32_t address = address_.load(std::memory_order_relaxed);
  if (offset == kAddress && bytes.size() == sizeof(address)) {
    address_.store(static_cast<uint32_t>(LoadLittleEndian(bytes)),
                   std::memory_order_relaxed);
  } else if (const auto target = Target(address, offset, bytes.size())) {
    ecam_.Write(*target, bytes);
  }
}

}  // namespace ivshmem::pci
