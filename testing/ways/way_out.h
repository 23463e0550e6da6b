// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_WAYS_WAY_OUT_H_
#define IVSHMEM_TESTING_WAYS_WAY_OUT_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "backends/mmio_space.h"
#include "bus/pci/msi.h"
#include "device/pci_device.h"

namespace ivshmem {

// How a guest's accesses get out of the guest and to a device, and how messages
// get in.
//
// Threading: one thread.
class WayOut {
 public:
  // By processors that are a hypervisor's or simulate one. An access is carried
  // out when the call returns.
  virtual ~WayOut() = default;

  // Where a device claims what it answers.
  virtual MmioSpace& memory() = 0;
  // `device` is device 3 of the guest's PCI bus 0.
  virtual void PlugIn(PciDevice& device) = 0;
  // Before the device goes.
  virtual void StopServing() = 0;

  // `size` is 1, 2, 4 or 8.
  virtual uint64_t Read(uint64_t address, uint32_t size) = 0;
  virtual void Write(uint64_t address, uint64_t value, uint32_t size) = 0;
  // Config space of device 3, aligned, `size` 1, 2 or 4.
  virtual uint32_t ReadConfig(uint32_t offset, uint32_t size) = 0;
  virtual void WriteConfig(uint32_t offset, uint32_t value, uint32_t size) = 0;

  // Where the device sends its messages, and those that have reached the guest
  // since the last call.
  virtual pci::MsiSink& msi() = 0;
  virtual std::vector<pci::MsiMessage> TakeMessages() = 0;
};

// Exits of a real vCPU, by real instructions where it has some (KVM's guest
// here has none of 8 bytes or past 4 GiB: those are made exits by hand). Its
// messages are recorded, not sent.
std::unique_ptr<WayOut> MakeKvmWayOut();

// ACRN's page, and its INJECT_MSI, in a simulated VM.
std::unique_ptr<WayOut> MakeAcrnWayOut();

// Xen's page, and its inject_msi, in a simulated domain. Writes of the device's
// that are no messages are recorded.
std::unique_ptr<WayOut> MakeXenWayOut();

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_WAYS_WAY_OUT_H_
