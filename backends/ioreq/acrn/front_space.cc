// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/front_space.h"

#include <algorithm>
#include <array>
#include <cerrno>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "bus/access.h"

namespace ivshmem::acrn {
namespace {

int ResultOf(AddressMap::Coverage coverage) {
  switch (coverage) {
    case AddressMap::Coverage::kWhole:
      return 0;
    case AddressMap::Coverage::kPart:
      return -EIO;
    case AddressMap::Coverage::kNone:
      break;
  }
  return EmulationRanges::kNobody;
}

}  // namespace

absl::Status FrontSpace::AddWindow(uint64_t base, uint64_t size) {
  absl::Status status;
  if (kind_ == Kind::kMemory) {
    status = ranges_.RegisterMmio(base, base + size, OnMmio, this);
  } else if (base > 0xffff || size > 0x10000) {
    status = absl::InvalidArgumentError(absl::StrFormat(
        "window: expected ports below 0x10000, got %#x from %#x on", size,
        base));
  } else {
    status = ranges_.RegisterPorts({.base = static_cast<uint16_t>(base),
                                    .length = static_cast<uint32_t>(size)},
                                   OnPortRead, OnPortWrite, this);
  }
  if (status.ok()) windows_.push_back({base, size});
  return status;
}

absl::StatusOr<RegistrationPtr> FrontSpace::Claim(uint64_t base, uint64_t size,
                                                  MmioHandler& handler) {
  const bool inside =
      std::any_of(windows_.begin(), windows_.end(), [&](const Window& window) {
        return base >= window.base &&
               Contains(window.size, base - window.base, size);
      });
  if (!inside) {
    return absl::InvalidArgumentError(
        absl::StrFormat("expected a range inside a window that was there when "
                        "the VM was launched, got %#x bytes at %#x",
                        size, base));
  }
  return map_.Claim(base, size, handler);
}

int FrontSpace::OnMmio(acrn_io_request& request, void* self) {
  AddressMap& map = static_cast<FrontSpace*>(self)->map_;
  acrn_mmio_request& access = request.reqs.mmio_request;
  std::array<uint8_t, 8> bytes = {};
  const absl::Span<uint8_t> span(bytes.data(), access.size);
  if (access.direction == ACRN_IOREQ_DIR_WRITE) {
    StoreLittleEndian(access.value, span);
    return ResultOf(map.TryWrite(access.address, span));
  }
  const int result = ResultOf(map.TryRead(access.address, span));
  if (result == 0) access.value = LoadLittleEndian(span);
  return result;
}

uint32_t FrontSpace::OnPortRead(uint16_t port, int size, void* self) {
  std::array<uint8_t, 4> bytes = {};
  const absl::Span<uint8_t> span(bytes.data(), static_cast<size_t>(size));
  static_cast<FrontSpace*>(self)->map_.Read(port, span);
  return static_cast<uint32_t>(LoadLittleEndian(span));
}

void FrontSpace::OnPortWrite(uint16_t port, int size, uint32_t value,
                             void* self) {
  std::array<uint8_t, 4> bytes = {};
  const absl::Span<uint8_t> span(bytes.data(), static_cast<size_t>(size));
  StoreLittleEndian(value, span);
  static_cast<FrontSpace*>(self)->map_.Write(port, span);
}

}  // namespace ivshmem::acrn
