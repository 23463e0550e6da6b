// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_PCI_GUEST_H_
#define IVSHMEM_DEVICE_PCI_GUEST_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "bus/pci/registers.h"
#include "core/events.h"
#include "core/shared_memory.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"

namespace ivshmem {

// Keeps the events of a device. From any thread.
class EventRecorder : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    absl::MutexLock lock(&mutex_);
    kinds_.push_back(event.kind);
  }

  int count(DeviceEvent::Kind kind) const {
    absl::MutexLock lock(&mutex_);
    int count = 0;
    for (const DeviceEvent::Kind seen : kinds_) count += seen == kind ? 1 : 0;
    return count;
  }

 private:
  mutable absl::Mutex mutex_;
  std::vector<DeviceEvent::Kind> kinds_ ABSL_GUARDED_BY(mutex_);
};

// A PCI device on a mock host, and what a guest's driver does to it. For tests.
class PciGuest {
 public:
  static constexpr uint64_t kBar0 = 0xfe000000;
  static constexpr uint64_t kBar1 = 0xfe010000;
  static constexpr uint64_t kBar2 = 0x800000000;
  static constexpr uint64_t kMemorySize = 0x10000;
  static constexpr uint16_t kDecodeAndMaster =
      pci::kCommandMemorySpace | pci::kCommandBusMaster;

  // With memory of its own.
  explicit PciGuest(mock::Host& host, const PciDevice::Config& config,
                    PciDevice::Host with)
      : host_(host), memory_(kMemorySize), config_(config), with_(with) {
    Create({memory_.data(), memory_.size()});
  }

  PciGuest(mock::Host& host, const PciDevice::Config& config,
           PciDevice::Host with, const SharedMemory& memory)
      : host_(host), config_(config), with_(with) {
    Create(memory);
  }

  // What a mock host offers, all of it.
  static PciDevice::Host Everything(mock::Host& host, DeviceEvents* events) {
    return {.mmio = &host.space(),
            .mapper = &host.space(),
            .msi = &host.msi(),
            .intx = &host.line(),
            .doorbells = &host.accelerator(),
            .router = &host.router(),
            .executor = &host.executor(),
            .events = events};
  }

  // The device is saved, goes, and is restored on the same host. Returns the
  // state. The peers are gone.
  PciDeviceState SaveAndRestore() {
    PciDeviceState state = device_->Save();
    const SharedMemory memory = shared();
    device_.reset();
    auto device = PciDevice::Restore(config_, memory, with_, state);
    EXPECT_TRUE(device.ok()) << device.status();
    if (device.ok()) device_ = *std::move(device);
    return state;
  }

  SharedMemory shared() { return device_->memory(); }
  PciDevice& pci() { return *device_; }
  Device& device() { return device_->device(); }
  mock::Host& host() { return host_; }

  uint64_t Config(uint64_t offset, int size) const {
    uint8_t bytes[8];
    const absl::Span<uint8_t> span(bytes, size);
    device_->ConfigRead(offset, span);
    return LoadLittleEndian(span);
  }
  void SetConfig(uint64_t offset, int size, uint64_t value) {
    uint8_t bytes[8];
    const absl::Span<uint8_t> span(bytes, size);
    StoreLittleEndian(value, span);
    device_->ConfigWrite(offset, span);
  }
  void SetCommand(uint16_t command) { SetConfig(pci::kCommand, 2, command); }

  // As firmware: BARs at the places above, decode and bus mastering on.
  void Enumerate() {
    SetConfig(pci::kBar0, 4, kBar0);
    SetConfig(pci::kBar0 + 4, 4, kBar1);
    SetConfig(pci::kBar0 + 8, 4, kBar2 & 0xffffffff);
    SetConfig(pci::kBar0 + 12, 4, kBar2 >> 32);
    SetCommand(kDecodeAndMaster);
  }

  static pci::MsiMessage Message(int vector) {
    return {.address = 0xfee00000, .data = 0x40u + vector};
  }

  // As a driver: a message for each vector, all unmasked, MSI-X enabled.
  void EnableMsix() {
    for (int v = 0; v < device().config().vectors; ++v) {
      host_.space().Write32(kBar1 + 16 * v, 0xfee00000);
      host_.space().Write32(kBar1 + 16 * v + 4, 0);
      host_.space().Write32(kBar1 + 16 * v + 8, Message(v).data);
      MaskVector(v, false);
    }
    SetConfig(pci::kMsixControl, 2, pci::kMsixControlEnable);
  }
  void MaskVector(int vector, bool masked) {
    host_.space().Write32(kBar1 + 16 * vector + 12, masked ? 1 : 0);
  }

  uint32_t Read(uint64_t offset) {
    return host_.space().Read32(kBar0 + offset);
  }
  void Write(uint64_t offset, uint32_t value) {
    host_.space().Write32(kBar0 + offset, value);
  }
  void Ring(PeerId peer, Vector vector) {
    Write(kDoorbellOffset, Doorbell{peer, vector}.Encode());
  }

 private:
  void Create(const SharedMemory& memory) {
    auto device = PciDevice::Create(config_, memory, with_);
    EXPECT_TRUE(device.ok()) << device.status();
    if (device.ok()) device_ = *std::move(device);
  }

  mock::Host& host_;
  std::vector<uint8_t> memory_;
  const PciDevice::Config config_;
  const PciDevice::Host with_;
  std::unique_ptr<PciDevice> device_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_PCI_GUEST_H_
