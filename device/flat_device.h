// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_FLAT_DEVICE_H_
#define IVSHMEM_DEVICE_FLAT_DEVICE_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "backends/doorbell_accelerator.h"
#include "backends/executor.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "backends/timers.h"
#include "bus/interrupt_lines.h"
#include "bus/mmio/flat_block.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/limits.h"
#include "core/shared_memory.h"
#include "device/deferral_alarm.h"
#include "device/flat_device_state.h"
#include "device/memory_state.h"
#include "device/shortcuts.h"
#include "device/trapped_rings.h"
#include "device/written_memory.h"

namespace ivshmem {

// The ivshmem device for machines without PCI, as a VMM plugs it in: the flat
// block at two fixed addresses.
//
// Threading: as Device: everything from any thread at once.
class FlatDevice : private PeerTable::Listener {
 public:
  struct Config {
    uint64_t registers_address = 0;  // Of 16 bytes, 4-byte aligned.
    uint64_t memory_address = 0;
    // Of `block.limits`, `rings` and `may_ring` keep doorbells from being bound
    // as with a PciDevice.
    mmio::FlatBlock::Config block;
    MemoryRole role = MemoryRole::kAuto;
  };

  // What the hypervisor offers. Each may be null, for a host that lacks it, and
  // outlives the device.
  struct Host {
    // Absent: the embedder dispatches to block() by itself.
    MmioSpace* mmio = nullptr;
    MemoryMapper* mapper = nullptr;  // Absent: accesses of the memory trap.
    PulseSink* irq = nullptr;        // Absent: see FlatBlock::Dependencies.
    DoorbellAccelerator* doorbells = nullptr;
    Executor* executor = nullptr;
    DeviceEvents* events = nullptr;
    Timers* timers = nullptr;  // Required by `block.limits.interrupts`.
    Clock* clock = nullptr;    // For limits. Absent: the machine's.
  };

  // `memory` outlives the device. Errors: InvalidArgument that names the field,
  // what was expected and what came; what `mmio` or `mapper` refuse.
  static absl::StatusOr<std::unique_ptr<FlatDevice>> Create(
      const Config& config, const SharedMemory& memory, const Host& host);

  // The device that `state` was saved of, in this process or another: its guest
  // cannot tell. It has the state's id, whatever `config` says; all else has to
  // agree. Peers come as to a new device. First everything is checked, then the
  // device is made. Errors: as Create(), and InvalidArgument that names the
  // field of the state ("state.memory_address"), what was expected and what
  // came, in which case the host has heard nothing.
  static absl::StatusOr<std::unique_ptr<FlatDevice>> Restore(
      const Config& config, const SharedMemory& memory, const Host& host,
      const FlatDeviceState& state);
  ~FlatDevice() override;

  // For Restore(). The device goes on. All that is said of threads and of
  // interrupts at PciDevice::Save() holds here, too; as a pulse cannot wait,
  // what a peer signalled before the call has been sent when it returns.
  FlatDeviceState Save();

  // Peers, id, counters; OnPeerInterrupt() for who reads the device's events.
  Device& device() { return block_->device(); }
  mmio::FlatBlock& block() { return *block_; }
  // As PciDevice's.
  uint64_t refused_memory_writes() const noexcept {
    return block_->memory().refused_writes();
  }
  WrittenMemory& written() { return written_; }
  bool carries_memory() const {
    return CarriesMemory(memory_state_.role, block_->device().id());
  }

  // As a machine reset. Id and peers stay.
  void Reset() noexcept { device().Reset(); }

 private:
  FlatDevice(const Config& config, const SharedMemory& memory,
             MemoryMapper* mapper);

  // `state` is null for a new device.
  static absl::StatusOr<std::unique_ptr<FlatDevice>> Make(
      const Config& config, const SharedMemory& memory, const Host& host,
      const FlatDeviceState* state);

  void PeersChanged() noexcept override;

  // What Save() says of how the device was made.
  const MemoryState memory_state_;
  const uint64_t registers_address_;
  const uint64_t memory_address_;
  WrittenMemory written_;

  std::optional<TrappedRings> trapped_rings_;
  DeferralAlarm deferral_alarm_;
  std::unique_ptr<mmio::FlatBlock> block_;
  RegistrationPtr registers_;
  RegistrationPtr memory_;
  std::optional<Shortcuts> shortcuts_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_FLAT_DEVICE_H_
