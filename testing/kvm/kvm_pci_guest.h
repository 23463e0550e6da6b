// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_KVM_KVM_PCI_GUEST_H_
#define IVSHMEM_TESTING_KVM_KVM_PCI_GUEST_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "backends/address_map.h"
#include "backends/kvm/doorbells.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/irqfd_router.h"
#include "backends/kvm/memory_slots.h"
#include "backends/kvm/msi_signal.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/server_link.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/registers.h"
#include "core/clock.h"
#include "core/doorbell.h"
#include "core/limits.h"
#include "device/pci_device.h"
#include "testing/interop/joined_link.h"
#include "testing/kvm/faulty_vm.h"
#include "testing/kvm/kvm_guest.h"

namespace ivshmem {

// A guest on KVM with this project's PCI device at 00:00.0, joined to a server;
// and what its driver does, by the guest's own instructions.
//
// Threading: one thread.
class KvmPciGuest {
 public:
  static constexpr uint32_t kBar0 = 0xe0000000;
  static constexpr uint32_t kBar1 = 0xe0001000;
  static constexpr uint32_t kBar2 = 0xe1000000;
  static constexpr uint16_t kDecodeAndMaster =
      pci::kCommandMemorySpace | pci::kCommandBusMaster;

  struct Options {
    int vectors = 2;
    bool io_event_fd = true;
    bool irqfd = true;
    // How many interrupt routes there is room for; absent: as many as KVM has.
    std::optional<uint32_t> routes;
    MemoryAccess access = MemoryAccess::kReadWrite;
    Limits limits;
    Clock* clock = nullptr;  // Of the limits. Outlives the guest.
  };

  // Joins, finds the device, places its BARs, lets vector v interrupt as number
  // v of KvmGuest::interrupts(). Failures are GoogleTest's.
  KvmPciGuest(const ServerLink::Options& link, const Options& options);
  ~KvmPciGuest();

  PeerId id() { return *device_->device().id(); }
  KvmGuest& guest() { return *guest_; }
  FaultyVm& vm() { return vm_; }
  PciDevice& device() { return *device_; }
  JoinedLink& link() { return *link_; }
  // Its exits per so many of its accesses tell which doorbells it rings itself.
  uint64_t exits() const { return guest_->exits(); }

  uint32_t Config(uint32_t offset, uint32_t size = 4);
  void SetConfig(uint32_t offset, uint32_t value, uint32_t size = 4);
  void SetCommand(uint16_t command) { SetConfig(pci::kCommand, command, 2); }

  // Places the BARs, turns on decode, and lets all vectors interrupt: what a
  // driver does after a reset.
  void SetUp();
  void EnableMsix();
  void MaskVector(int vector, bool masked);
  void Ring(PeerId peer, Vector vector, uint32_t times = 1);
  uint32_t Register(uint32_t offset) { return guest_->Read(bar0_ + offset); }
  void MoveBar0(uint32_t address);
  uint32_t doorbell() const;

  // As hot unplug and plug, at any moment. The new device is as after a reset.
  void Unplug();
  void PlugAgain() {
    Plug(PciDevice::Create(config_, link_->link().memory(), host_));
  }

  // The device is gone, and one that was restored from its state is there.
  void SaveAndRestore();

  // Whether it knows `peer` with that vector, within the tests' patience.
  bool Knows(PeerId peer, Vector vector);
  // Returns when whatever was to be bound, routed or taken down has been.
  void Settle();

 private:
  void Plug(absl::StatusOr<std::unique_ptr<PciDevice>> device);

  std::unique_ptr<KvmGuest> guest_;
  FaultyVm vm_;
  kvm::MemorySlots mapper_;
  kvm::Doorbells doorbells_;
  kvm::GsiTable routes_;
  kvm::IrqfdRouter router_;
  kvm::MsiSignal msi_;
  AddressMap functions_;
  pci::ConfigPorts ports_{functions_};
  RegistrationPtr ports_claim_;
  RegistrationPtr function_claim_;
  std::unique_ptr<LoopThread> executor_;
  const PciDevice::Config config_;
  const PciDevice::Host host_;
  std::unique_ptr<JoinedLink> link_;
  std::unique_ptr<PciDevice> device_;
  uint32_t bar0_ = kBar0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_KVM_KVM_PCI_GUEST_H_
