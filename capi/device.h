// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_DEVICE_H_
#define IVSHMEM_CAPI_DEVICE_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "capi/host.h"
#include "capi/in_use.h"
#include "capi/memory.h"
#include "capi/own_vectors.h"
#include "core/device.h"
#include "core/switchboard.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "ivshmem/ivshmem.h"

// A device of one of the two kinds and what it needs. Goes from the bottom up.
struct ivshmem_device {
  ivshmem_device(const ivshmem_host& with,
                 std::shared_ptr<const ivshmem::capi::Memory> shared)
      : memory(std::move(shared)), host(with, this) {}

  // Who is there once it is made.
  ivshmem::Device& core() const {
    return pci != nullptr ? pci->device() : flat->device();
  }
  // What answers in a region; null for none.
  ivshmem::MmioHandler* handler(uint32_t region) const;
  // Where its peers and its id come from, if not by hand.
  bool joined() const { return attachment != nullptr || port != nullptr; }

  const std::shared_ptr<const ivshmem::capi::Memory> memory;
  ivshmem::capi::InUse::Use executor;
  ivshmem::capi::Host host;
  std::unique_ptr<ivshmem::PciDevice> pci;
  std::unique_ptr<ivshmem::FlatDevice> flat;
  // Where the guest sees a flat device.
  uint64_t registers_address = 0;
  uint64_t memory_address = 0;
  // The one whose accesses may not destroy the device. Asked for by accesses
  // that may come before the device is whole.
  std::atomic<const ivshmem::MmioHandler*> msix{nullptr};

  ivshmem::capi::InUse::Use server_loop;
  std::optional<ivshmem::capi::OwnVectors> own_vectors;
  ivshmem::capi::InUse::Use link;
  ivshmem::RegistrationPtr attachment;
  ivshmem::capi::InUse::Use switchboard;
  std::unique_ptr<ivshmem::Switchboard::Port> port;
};

namespace ivshmem::capi {

// -EINVAL for a handle that is null.
int NoDevice();

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_DEVICE_H_
