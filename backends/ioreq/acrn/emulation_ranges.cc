// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/emulation_ranges.h"

#include <cerrno>

#include "absl/strings/str_format.h"

namespace ivshmem::acrn {
namespace {

constexpr uint32_t kPorts = 0x10000;

static_assert(EmulationRanges::kNobody == -ENODEV);

bool IsSize(uint64_t size, uint64_t most) {
  return size <= most && (size == 1 || size == 2 || size == 4 || size == 8);
}

uint64_t Mask(uint64_t size) { return ~uint64_t{0} >> (64 - 8 * size); }

bool IsDirection(uint32_t direction) {
  return direction == ACRN_IOREQ_DIR_READ || direction == ACRN_IOREQ_DIR_WRITE;
}

// Where [address, address + size) is with regard to [start, end). Neither is
// empty; an access that wraps around begins in no range as a whole.
enum class Position : uint8_t { kOutside, kInside, kAcross };

Position Compare(uint64_t address, uint64_t size, uint64_t start,
                 uint64_t end) {
  const uint64_t last = address + (size - 1);
  if (last < address) {
    const bool touches = address < end || last >= start;
    return touches ? Position::kAcross : Position::kOutside;
  }
  if (last < start || address >= end) return Position::kOutside;
  if (address < start || last >= end) return Position::kAcross;
  return Position::kInside;
}

absl::Status Launched() {
  return absl::InvalidArgumentError(
      "VM: expected one that has not been launched, got one that has");
}

}  // namespace

absl::Status EmulationRanges::RegisterMmio(uint64_t start, uint64_t end,
                                           MmioHandler handler, void* data) {
  if (handler == nullptr) {
    return absl::InvalidArgumentError("handler: expected one, got null");
  }
  if (end <= start) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "end: expected an address above the start, %#x, got %#x", start, end));
  }
  if (launched_) return Launched();
  mmio_.push_back({start, end, handler, data});
  return absl::OkStatus();
}

absl::Status EmulationRanges::CheckPorts(uint16_t base, uint32_t length) const {
  if (length == 0 || length > kPorts - base) {
    return absl::InvalidArgumentError(
        absl::StrFormat("length: expected 1..%d ports from port %#x on, got %d",
                        kPorts - base, base, length));
  }
  return launched_ ? Launched() : absl::OkStatus();
}

absl::Status EmulationRanges::RegisterPorts(const PortRange& range,
                                            PortReader reader,
                                            PortWriter writer, void* data) {
  absl::Status status = CheckPorts(range.base, range.length);
  if (status.ok()) ports_.push_back({range, reader, writer, data});
  return status;
}

absl::Status EmulationRanges::AllowPorts(uint16_t base, uint32_t length) {
  absl::Status status = CheckPorts(base, length);
  if (!status.ok()) return status;
  for (uint32_t port = base; port < base + length; ++port) {
    traps_[port / 8] &= static_cast<uint8_t>(~(1u << port % 8));
  }
  return status;
}

int EmulationRanges::Emulate(acrn_io_request& request) const {
  switch (request.type) {
    case ACRN_IOREQ_TYPE_MMIO:
    case kRequestTypeWriteProtect:
      return EmulateMmio(request);
    case ACRN_IOREQ_TYPE_PORTIO:
      return EmulatePorts(request.reqs.pio_request);
    case ACRN_IOREQ_TYPE_PCICFG: {
      const acrn_pci_request& access = request.reqs.pci_request;
      const bool valid =
          IsSize(access.size, 4) && IsDirection(access.direction);
      return valid ? kNobody : -EINVAL;
    }
    default:
      return -EINVAL;
  }
}

int EmulationRanges::EmulateMmio(acrn_io_request& request) const {
  acrn_mmio_request& access = request.reqs.mmio_request;
  if (request.type == kRequestTypeWriteProtect) {
    access.direction = ACRN_IOREQ_DIR_WRITE;
  }
  if (!IsSize(access.size, 8) || !IsDirection(access.direction)) return -EINVAL;
  // A handler may not change what the access is.
  const uint64_t mask = Mask(access.size);
  const bool write = access.direction == ACRN_IOREQ_DIR_WRITE;
  for (const MmioRange& range : mmio_) {
    switch (Compare(access.address, access.size, range.start, range.end)) {
      case Position::kOutside:
        continue;
      case Position::kAcross:
        return -EIO;
      case Position::kInside:
        break;
    }
    if (write) access.value &= mask;
    const int result = range.handler(request, range.data);
    if (!write) access.value &= mask;
    return result;
  }
  return kNobody;
}

int EmulationRanges::EmulatePorts(acrn_pio_request& access) const {
  if (!IsSize(access.size, 4) || !IsDirection(access.direction) ||
      access.address >= kPorts) {
    return -EINVAL;
  }
  const auto mask = static_cast<uint32_t>(Mask(access.size));
  const auto port = static_cast<uint16_t>(access.address);
  const int size = static_cast<int>(access.size);
  for (const auto& [range, reader, writer, data] : ports_) {
    switch (Compare(port, access.size, range.base, range.base + range.length)) {
      case Position::kOutside:
        continue;
      case Position::kAcross:
        return -EIO;
      case Position::kInside:
        break;
    }
    if (access.direction == ACRN_IOREQ_DIR_WRITE) {
      if (range.access == PortRange::Access::kReadWrite && writer != nullptr) {
        writer(port, size, access.value & mask, data);
      }
      return 0;
    }
    const bool readable =
        range.access != PortRange::Access::kNone && reader != nullptr;
    access.value = (readable ? reader(port, size, data) : ~0u) & mask;
    return 0;
  }
  return kNobody;
}

void AnswerForNobody(acrn_io_request& request) {
  const acrn_mmio_request& access = request.reqs.mmio_request;
  if (access.direction == ACRN_IOREQ_DIR_WRITE) return;
  const uint64_t ones = Mask(access.size);
  if (request.type == ACRN_IOREQ_TYPE_MMIO) {
    request.reqs.mmio_request.value = ones;
  } else {
    request.reqs.pio_request.value = static_cast<uint32_t>(ones);
  }
}

}  // namespace ivshmem::acrn
