// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_WORLD_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_WORLD_H_

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/address_map.h"
#include "backends/linux/loop_thread.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/config_space.h"
#include "core/events.h"
#include "core/shared_memory.h"
#include "core/switchboard.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "examples/two_guests/cortex_m_machine.h"
#include "examples/two_guests/devices.h"
#include "examples/two_guests/engine.h"
#include "examples/two_guests/event_carriers.h"
#include "examples/two_guests/guest_report.h"
#include "examples/two_guests/guests/ring.h"
#include "examples/two_guests/machine.h"
#include "examples/two_guests/pc_machine.h"
#include "examples/two_guests/tap.h"
#include "script/recorded_space.h"
#include "script/recorder.h"

namespace ivshmem::two_guests {

// What happens to one of the two guests. Both machines and both devices are in
// place, and they call on the thread that runs the machines.
class GuestObserver : public AccessObserver, public DeviceEvents {
 public:
  // The guest wrote to its report device.
  virtual void OnReport(uint32_t event, uint32_t argument) = 0;
};

// Two machines with a guest each, joined by an ivshmem device each: on the PC
// the PCI function at 00:04.0, beside a host bridge; on the board the flat
// block. This is all that a VMM has to do to plug the library in.
//
// Threading: one thread.
class World {
 public:
  struct Config {
    uint32_t messages = 0;  // That the guests are asked to exchange.
    Devices devices;
    absl::Span<const uint8_t> x86_image;
    absl::Span<const uint8_t> cortex_m_image;
    Engine engine = Engine::kUnicorn;
    // With KVM: the kernel rings the PC's doorbells and interrupts it without
    // this program, where it can. What it does no observer is told of.
    bool short_cuts = false;
    // Makes a Script of what happens to the PC's device.
    bool record = false;
  };

  // The observers outlive the world. Errors: what machines or devices refuse.
  static absl::StatusOr<std::unique_ptr<World>> Create(const Config& config,
                                                       GuestObserver& x86,
                                                       GuestObserver& cortex_m);

  Machine& machine(Side side);
  // Hands to the devices what has arrived for them by other ways than a call.
  // Between turns of the machines.
  void Deliver();
  // How the kernel's short cuts were used; null when there are none.
  const EventCarriers* short_cuts() const { return carriers_.get(); }
  // Null when nothing is recorded.
  const script::Recorder* recorder() const { return recorder_.get(); }
  const GuestReport& report(Side side) const { return reports_[side].report(); }
  SharedMemory memory() const {
    return {memory_.get(), config_.devices.region.size};
  }

 private:
  class HostBridge : public MmioHandler {
   public:
    HostBridge();
    void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
    void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}

   private:
    pci::ConfigSpace config_;
  };
  struct Free {
    void operator()(uint8_t* memory) const;
  };

  World(const Config& config, GuestObserver& x86, GuestObserver& cortex_m);
  absl::Status Build(GuestObserver& x86, GuestObserver& cortex_m);
  absl::Status BuildX86(GuestObserver& observer);
  absl::StatusOr<std::unique_ptr<PcMachine>> MakePc();
  // What the PC's device is to be plugged into so that it is recorded.
  absl::Status BuildRecorder(GuestObserver& observer);
  absl::Status BuildCortexM(GuestObserver& observer);
  std::string BarName(uint64_t base) const;

  const Config config_;
  const std::unique_ptr<uint8_t[], Free> memory_;
  Switchboard switchboard_;
  std::array<ReportDevice, kSides> reports_;

  std::unique_ptr<LoopThread> helper_;  // With KVM.
  std::unique_ptr<PcMachine> x86_;
  AddressMap functions_;  // As in an ECAM window.
  pci::ConfigPorts config_ports_{functions_};
  HostBridge host_bridge_;
  std::unique_ptr<TappedSpace> x86_mmio_;
  // Between the taps and the device: a write that is dropped is none.
  std::unique_ptr<script::Recorder> recorder_;
  std::unique_ptr<script::RecordedSpace> recorded_mmio_;
  std::unique_ptr<MmioHandler> recorded_config_;
  std::unique_ptr<PciDevice> pci_device_;
  std::unique_ptr<Tap> config_tap_;
  std::vector<RegistrationPtr> x86_claims_;

  std::unique_ptr<CortexMMachine> cortex_m_;
  std::unique_ptr<TappedSpace> cortex_m_mmio_;
  RegistrationPtr cortex_m_claim_;
  std::unique_ptr<FlatDevice> flat_device_;

  // Last: the devices outlive their ports.
  std::array<std::unique_ptr<Switchboard::Port>, kSides> ports_;
  std::unique_ptr<EventCarriers> carriers_;
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_WORLD_H_
