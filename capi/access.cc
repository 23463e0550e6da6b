// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The guest's accesses.

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <optional>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "capi/device.h"
#include "capi/errors.h"
#include "capi/host_addresses.h"
#include "capi/inside.h"

using namespace ivshmem;        // NOLINT: this file is the interface.
using namespace ivshmem::capi;  // NOLINT

namespace {

absl::Span<uint8_t> Bytes(void* bytes, size_t size) {
  return {static_cast<uint8_t*>(bytes), size};
}

absl::Span<const uint8_t> Bytes(const void* bytes, size_t size) {
  return {static_cast<const uint8_t*>(bytes), size};
}

void ReadOnes(void* bytes, size_t size) {
  if (size != 0) std::memset(bytes, 0xff, size);
}

void Write(ivshmem_device* device, MmioHandler& handler, uint64_t offset,
           const void* bytes, size_t size) {
  // A message that a write of the MSI-X table lets loose comes from inside what
  // goes with the device. A ring does not.
  std::optional<Inside> inside;
  if (&handler == device->msix.load(std::memory_order_relaxed)) {
    inside.emplace(device);
  }
  handler.Write(offset, Bytes(bytes, size));
}

}  // namespace

MmioHandler* ivshmem_device::handler(uint32_t region) const {
  switch (region) {
    case IVSHMEM_REGION_REGISTERS:
      return pci != nullptr ? &pci->bar(PciDevice::kRegisterBar)
                            : &flat->block().registers();
    case IVSHMEM_REGION_MSIX:
      return pci != nullptr ? &pci->bar(PciDevice::kMsixBar) : nullptr;
    case IVSHMEM_REGION_MEMORY:
      return pci != nullptr ? &pci->bar(PciDevice::kMemoryBar)
                            : &flat->block().memory();
    default:
      return nullptr;
  }
}

void ivshmem_device_config_read(const ivshmem_device* device, uint64_t offset,
                                void* bytes, size_t size) {
  if (device == nullptr || device->pci == nullptr) {
    return ReadOnes(bytes, size);
  }
  device->pci->ConfigRead(offset, Bytes(bytes, size));
}

void ivshmem_device_config_write(ivshmem_device* device, uint64_t offset,
                                 const void* bytes, size_t size) {
  if (device == nullptr || device->pci == nullptr) return;
  const Inside inside(device);
  device->pci->ConfigWrite(offset, Bytes(bytes, size));
}

void ivshmem_device_read(ivshmem_device* device, uint32_t region,
                         uint64_t offset, void* bytes, size_t size) {
  MmioHandler* const handler =
      device == nullptr ? nullptr : device->handler(region);
  if (handler == nullptr) return ReadOnes(bytes, size);
  handler->Read(offset, Bytes(bytes, size));
}

void ivshmem_device_write(ivshmem_device* device, uint32_t region,
                          uint64_t offset, const void* bytes, size_t size) {
  MmioHandler* const handler =
      device == nullptr ? nullptr : device->handler(region);
  if (handler != nullptr) Write(device, *handler, offset, bytes, size);
}

void ivshmem_range_read(ivshmem_range* range, uint64_t offset, void* bytes,
                        size_t size) {
  if (range == nullptr) return ReadOnes(bytes, size);
  range->handler->Read(offset, Bytes(bytes, size));
}

void ivshmem_range_write(ivshmem_range* range, uint64_t offset,
                         const void* bytes, size_t size) {
  if (range == nullptr) return;
  Write(range->device, *range->handler, offset, bytes, size);
}

int ivshmem_device_region_address(const ivshmem_device* device, uint32_t region,
                                  uint64_t* address) {
  return Guard([&] {
    if (device == nullptr) return NoDevice();
    if (address == nullptr) {
      return Fail(EINVAL, "address: expected a place for it, got null");
    }
    std::optional<uint64_t> at;
    if (region <= IVSHMEM_REGION_MEMORY) {
      if (device->pci != nullptr) {
        at = device->pci->ShownAt(static_cast<int>(region));
      } else if (region == IVSHMEM_REGION_REGISTERS) {
        at = device->registers_address;
      } else if (region == IVSHMEM_REGION_MEMORY) {
        at = device->memory_address;
      }
    }
    if (!at.has_value()) {
      return Fail(ENOENT, absl::StrFormat("region: expected one that the guest "
                                          "sees now, got %d",
                                          region));
    }
    *address = *at;
    return 0;
  });
}

uint64_t ivshmem_device_region_size(const ivshmem_device* device,
                                    uint32_t region) {
  if (device == nullptr || region > IVSHMEM_REGION_MEMORY) return 0;
  if (device->pci != nullptr) {
    return device->pci->function().BarSize(static_cast<int>(region));
  }
  switch (region) {
    case IVSHMEM_REGION_REGISTERS:
      return device->flat->block().registers_size();
    case IVSHMEM_REGION_MEMORY:
      return device->memory->view.size;
    default:
      return 0;
  }
}

int ivshmem_device_reset(ivshmem_device* device) {
  return Guard([&] {
    if (device == nullptr) return NoDevice();
    const Inside inside(device);
    if (device->pci != nullptr) {
      device->pci->Reset();
    } else {
      device->flat->Reset();
    }
    return 0;
  });
}
