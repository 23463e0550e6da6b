// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_PCI_DEVICE_H_
#define IVSHMEM_DEVICE_PCI_DEVICE_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/doorbell_accelerator.h"
#include "backends/executor.h"
#include "backends/irq_router.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "backends/timers.h"
#include "bus/interrupt_lines.h"
#include "bus/memory_block.h"
#include "bus/mmio_handler.h"
#include "bus/pci/function.h"
#include "bus/pci/msi.h"
#include "bus/register_block.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/limits.h"
#include "core/settle.h"
#include "core/shared_memory.h"
#include "device/bar_placement.h"
#include "device/deferral_alarm.h"
#include "device/memory_state.h"
#include "device/pci_device_state.h"
#include "device/shortcuts.h"
#include "device/trapped_rings.h"
#include "device/written_memory.h"

namespace ivshmem {

// The ivshmem device as a PCI function, as a VMM plugs it in: 1af4:1110 with
// registers in BAR0 (256 bytes), MSI-X in BAR1 (only with vectors) and the
// shared memory in BAR2 (64-bit, prefetchable).
//
// The VMM hands the guest's config accesses to ConfigRead() and ConfigWrite().
// For the BARs it either gives a `Host::mmio`, through which the device claims
// its ranges as the guest moves them, or finds the BAR itself (ShownAt()) and
// calls bar().
//
// Threading: as Device and pci::Function: everything from any thread at once.
// What is called outside may call back. It may destroy the object only where
// the guest rings or a peer interrupts (a notifier, the MSI sink, the event of
// either), not where config space is written or the bus resets.
class PciDevice : private InterruptSink,
                  private LevelListener,
                  private PeerTable::Listener,
                  private pci::Msix::Listener,
                  private pci::IntxSource {
 public:
  static constexpr int kRegisterBar = 0;
  static constexpr int kMsixBar = 1;
  static constexpr int kMemoryBar = 2;

  struct Config {
    // Any but kQemuFlat.
    Dialect dialect = kRevision1;
    // kNone is a plain device, memory only. kIntx needs kRevision0.
    InterruptMode interrupts = InterruptMode::kMsix;
    // How many vectors peers can interrupt; 0 for the dialect's default.
    int vectors = 0;
    // The device's own id, where no server or switchboard gives it.
    std::optional<PeerId> id;
    // Absent: 1af4:1100; with ACRN's dialect 8086:0000, where the subsystem id
    // is to be the region's.
    std::optional<uint16_t> subsystem_vendor_id;
    std::optional<uint16_t> subsystem_id;
    // Whether config space says that other functions share the slot. ACRN's
    // device says so whenever it is function 0.
    bool multi_function = false;
    // Addresses that BARs have before the guest moves them, as if firmware had
    // been there. Decode is still off.
    std::array<std::optional<uint64_t>, 3> bar_addresses;
    MemoryAccess access = MemoryAccess::kReadWrite;
    MemoryRole role = MemoryRole::kAuto;
    // What a limit counts, no hypervisor does past it: with `limits.rings` no
    // doorbell is bound (Host::doorbells), with `limits.interrupts` no vector
    // routed (Host::router), and doorbells that `limits.may_ring` does not name
    // are not bound. An event warns of the first two.
    Limits limits;
  };

  // What the hypervisor offers. Each may be null, for a host that lacks it, and
  // outlives the device.
  struct Host {
    MmioSpace* mmio = nullptr;
    MemoryMapper* mapper = nullptr;
    pci::MsiSink* msi = nullptr;
    LineSink* intx = nullptr;
    DoorbellAccelerator* doorbells = nullptr;
    IrqRouter* router = nullptr;
    Executor* executor = nullptr;
    DeviceEvents* events = nullptr;
    Timers* timers = nullptr;  // Required by `limits.interrupts`.
    Clock* clock = nullptr;    // For limits. Absent: the machine's.
  };

  // `memory` outlives the device; its size is a power of two of at least 16
  // bytes, as a BAR's must be. Errors: InvalidArgument that names the field,
  // what was expected and what came.
  static absl::StatusOr<std::unique_ptr<PciDevice>> Create(
      const Config& config, const SharedMemory& memory, const Host& host);

  // The device that `state` was saved of, in this process or another: its guest
  // cannot tell. It has the state's id and BARs, whatever `config` says of
  // them; all else has to agree. Peers come as to a new device, and with them
  // bound doorbells and routed interrupts.
  //
  // First everything is checked. Then BARs are shown, what is pending and not
  // masked is sent, and INTx asserted: `host` is ready for that, its interrupt
  // controller restored. A BAR that the host refuses is as one that the guest
  // places there: kMapFailed, and out of its sight until it is placed anew;
  // one that was refused already is not tried.
  // Errors: as Create(), and InvalidArgument that names the field of the state
  // ("state.bars[0]"), what was expected and what came. The host has heard
  // nothing then.
  static absl::StatusOr<std::unique_ptr<PciDevice>> Restore(
      const Config& config, const SharedMemory& memory, const Host& host,
      const PciDeviceState& state);

  // To unplug while vCPUs run, so that no access is under way by then: take the
  // config accesses away and wait for those under way, Reset(), after which no
  // BAR is decoded, and wait again (AddressMap::Synchronize(), say); detach it
  // from its link or switchboard. What peers ring then is nobody's.
  ~PciDevice() override;

  // For Restore(). The device goes on.
  //
  // From any thread while accesses run, and then each part is of one moment:
  // the registers, config space, each MSI-X vector. The whole is when the vCPUs
  // are paused, whoever reads the events of the device's own vectors has
  // stopped, between two of them, and Host::executor has nothing left to do.
  // (What a reader has taken from an event, and not handed in yet, is in
  // nobody's sight; and events that a ServerLink still listens to from before a
  // re-join are its own to read.)
  //
  // Interrupts: what a peer signalled before the call is in the state, pending,
  // or has been sent when the call returns; so the interrupt controller is
  // saved later. That counts also for signals that nobody has read yet from the
  // events of the device's own vectors: they are taken here. What comes later
  // is this device's, not the state's. An event that is nobody's then (its
  // reader stopped, its route gone with the device) keeps it for who reads the
  // event next, the restored device's reader if it is handed on.
  // A routed vector (Host::router) holds nothing here: the hypervisor sends as
  // the signal comes, and goes on until the device, or its own id as a peer,
  // goes.
  PciDeviceState Save();

  // The guest's config accesses, of any width. When a write moved a BAR or
  // toggled decode, the guest sees it so when the call returns.
  void ConfigRead(uint64_t offset, absl::Span<uint8_t> bytes) const noexcept;
  void ConfigWrite(uint64_t offset, absl::Span<const uint8_t> bytes) noexcept;

  // The same, for the address map of an ECAM window.
  MmioHandler& config() { return config_; }

  // The guest's accesses of BAR `bar`; see pci::Function::bar().
  MmioHandler& bar(int bar) { return function_->bar(bar); }

  // Where the guest sees BAR `bar` (0..5): where it is decoded, unless the host
  // refused it there, or that of the device that this one was restored from
  // did. Any thread.
  std::optional<uint64_t> ShownAt(int bar) const noexcept;

  // The bus's RST#: config space, MSI-X and registers; id and peers stay.
  void Reset() noexcept;

  // Peers, id, counters; OnPeerInterrupt() for who reads the device's events.
  Device& device() { return *device_; }
  // Where BARs are and what MSI-X holds.
  const pci::Function& function() const { return *function_; }
  const SharedMemory& memory() const { return shared_; }
  // How many of the guest's writes to read-only memory trapped and changed
  // nothing, since the device was made. A hypervisor that drops them by itself
  // counts none here (MemoryMapper::refused_writes()). Any thread.
  uint64_t refused_memory_writes() const noexcept {
    return memory_.refused_writes();
  }
  // Which parts of it the guest writes, for who copies it, ...
  WrittenMemory& written() { return written_; }
  // ... and whether the copying is this device's embedder's.
  bool carries_memory() const { return CarriesMemory(role_, device_->id()); }

 private:
  class ConfigHandler : public MmioHandler {
   public:
    explicit ConfigHandler(PciDevice& device) : device_(device) {}
    void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
      device_.ConfigRead(offset, bytes);
    }
    void Write(uint64_t offset,
               absl::Span<const uint8_t> bytes) noexcept override {
      device_.ConfigWrite(offset, bytes);
    }

   private:
    PciDevice& device_;
  };

  PciDevice(const Config& config, const SharedMemory& memory,
            MemoryMapper* mapper);

  // `state` is null for a new device.
  static absl::StatusOr<std::unique_ptr<PciDevice>> Make(
      const Config& config, const SharedMemory& memory, const Host& host,
      const PciDeviceState* state);
  static pci::FunctionSpec Spec(const Config& config, int vectors,
                                uint64_t memory_size);

  absl::Status RestoreHidden(const std::array<bool, pci::kBars>& hidden);
  // Shows and sends what a restored device has to show and to send.
  void Resume() noexcept;
  // Follows a change of where BARs are.
  void Placed() noexcept;

  // InterruptSink, LevelListener
  InterruptResult Deliver(Vector vector) noexcept override;
  void LevelMayHaveChanged() noexcept override;
  // PeerTable::Listener, pci::Msix::Listener
  void PeersChanged() noexcept override;
  void MsixChanged() noexcept override;
  // pci::IntxSource
  bool IntxLevel() const noexcept override;

  const SharedMemory shared_;
  const MemoryAccess access_;
  const MemoryRole role_;
  WrittenMemory written_;
  ConfigHandler config_{*this};
  std::optional<TrappedRings> trapped_rings_;
  DeferralAlarm deferral_alarm_;
  std::optional<RegisterBlock> registers_;
  MemoryBlock memory_;
  std::unique_ptr<pci::Function> function_;
  // Goes before the function: it waits for interrupts that are on their way
  // through that, and that still ask it for its level.
  std::unique_ptr<Device> device_;
  std::optional<BarPlacement> placement_;
  Settler placement_settler_;
  std::optional<Shortcuts> shortcuts_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_PCI_DEVICE_H_
