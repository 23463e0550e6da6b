// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_ACRN_GUEST_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_ACRN_GUEST_H_

// <linux/acrn.h> leaves its inclusion to others.
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backends/ioreq/acrn/doorbells.h"
#include "backends/ioreq/acrn/irqfd_router.h"
#include "backends/ioreq/acrn/memory_segments.h"
#include "backends/ioreq/acrn/msi.h"
#include "backends/ioreq/acrn/transport.h"
#include "backends/ioreq/dispatcher.h"
#include "backends/ioreq/engine.h"
#include "backends/registration.h"
#include "bus/pci/msi.h"
#include "core/doorbell.h"
#include "device/pci_device.h"
#include "testing/ioreq/acrn/simulated_vm.h"

namespace ivshmem {

// A simulated VM, the whole of this project's device model for it, and what the
// guest's drivers do.
//
// Threading: any thread; one access of a vCPU at a time.
class AcrnGuest {
 public:
  struct Options {
    int vcpus = 4;
    bool polling = false;  // The vCPUs poll.
    ioreq::Engine::Options engine = {};
  };

  explicit AcrnGuest(const Options& options);
  ~AcrnGuest();

  // Also after StopServing().
  SimulatedVm& vm() { return *vm_; }
  ioreq::Dispatcher& dispatcher() { return *dispatcher_; }
  acrn::MsiInjector& msi() { return *msi_; }
  acrn::IrqfdRouter& router() { return *router_; }
  acrn::Doorbells& doorbells() { return *doorbells_; }
  acrn::MemorySegments& segments() { return *segments_; }

  // The config space of `device` is that of function 0 of device `number`, bus
  // 0, and of an ECAM window.
  void Plug(PciDevice& device, int number);
  static constexpr uint64_t kEcam = 0xb0000000;

  // The engine, gone and started anew.
  void StopServing();
  void Serve();

  // Accesses of the guest's vCPU `vcpu`.
  acrn_io_request Do(acrn_io_request request, int vcpu = 0);
  uint64_t Read(uint64_t address, uint64_t size = 4, int vcpu = 0);
  void Write(uint64_t address, uint64_t value, uint64_t size = 4, int vcpu = 0);
  // Of ports, whose vCPU is 0.
  uint32_t In(uint16_t port, uint64_t size = 4);
  void Out(uint16_t port, uint32_t value, uint64_t size = 4);
  // Config space of device `number`, through 0xCF8 and 0xCFC.
  uint32_t Config(int number, uint32_t offset, uint32_t size = 4);
  void SetConfig(int number, uint32_t offset, uint32_t value,
                 uint32_t size = 4);

  // The messages that have reached the guest since the last call.
  std::vector<pci::MsiMessage> TakeMessages();

 private:
  Options options_;
  std::unique_ptr<SimulatedVm> vm_;
  std::optional<acrn::MsiInjector> msi_;
  std::optional<acrn::IrqfdRouter> router_;
  std::optional<acrn::Doorbells> doorbells_;
  std::optional<acrn::MemorySegments> segments_;
  std::unique_ptr<acrn::Transport> transport_;
  std::unique_ptr<ioreq::Dispatcher> dispatcher_;
  std::vector<RegistrationPtr> claims_;
  std::unique_ptr<ioreq::Engine> engine_;
};

// A device on such a guest as a driver finds it: ACRN's dialect, BARs placed by
// its number, decode on, its vectors' messages told apart by number.
class AcrnDevice {
 public:
  // `memory` outlives the device. `host` says what of the guest's it uses
  // beyond the trapped ranges.
  AcrnDevice(AcrnGuest& guest, int number, const SharedMemory& memory,
             PciDevice::Host host);

  PciDevice& pci() { return *pci_; }
  Device& device() { return pci_->device(); }
  int number() const { return number_; }

  uint64_t bar0() const { return 0xe0000000 + 0x10000 * number_; }
  uint64_t bar1() const { return 0xe1000000 + 0x10000 * number_; }
  uint64_t bar2() const {
    return 0x800000000 + uint64_t{0x100000000} * number_;
  }

  void PlaceBars();
  // Messages for all vectors, unmasked, and MSI-X on.
  void EnableMsix();
  void MaskVector(int vector, bool masked);
  pci::MsiMessage Message(int vector) const;
  uint32_t Register(uint64_t offset, int vcpu = 0);
  void Ring(PeerId peer, Vector vector, int vcpu = 0);

 private:
  AcrnGuest& guest_;
  const int number_;
  std::unique_ptr<PciDevice> pci_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_ACRN_GUEST_H_
