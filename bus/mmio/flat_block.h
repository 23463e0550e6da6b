// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_MMIO_FLAT_BLOCK_H_
#define IVSHMEM_BUS_MMIO_FLAT_BLOCK_H_

#include <memory>
#include <optional>

#include "absl/status/statusor.h"
#include "bus/interrupt_lines.h"
#include "bus/memory_block.h"
#include "bus/mmio_handler.h"
#include "bus/register_block.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/device_state.h"
#include "core/limits.h"
#include "core/shared_memory.h"

namespace ivshmem::mmio {

// An ivshmem device for machines without PCI (QEMU's ivshmem-flat): a range of
// 16 bytes of registers, a range of memory, and one interrupt line that is
// pulsed for every interrupt, whatever its vector.
//
// Threading: as Device.
class FlatBlock {
 public:
  struct Config {
    // How many vectors peers can interrupt: 1..64, or 0 for the dialect's
    // default, 2. Without a line it counts for nothing.
    int vectors = 0;
    std::optional<PeerId> id;
    MemoryAccess access = MemoryAccess::kReadWrite;
    Limits limits;
  };

  // Each may be null and outlives the block.
  struct Dependencies {
    // The line. Without one, notifications are off both ways: doorbells and
    // peers' interrupts are ignored and counted. An event warns of that, since
    // it is more often forgotten than meant.
    PulseSink* irq = nullptr;
    PeerTable::Listener* peers = nullptr;
    DeviceEvents* events = nullptr;
    // As Device::Dependencies.
    Clock* clock = nullptr;
    Alarm* alarm = nullptr;
    // Of the guest's writes to the memory that trap.
    MemoryBlock::Listener* written = nullptr;
  };

  // Errors: InvalidArgument that names the field, what was expected and what
  // came.
  static absl::StatusOr<std::unique_ptr<FlatBlock>> Create(
      const Config& config, const SharedMemory& memory,
      const Dependencies& dependencies);

  // The block whose device `state` was saved of. Errors: as Create(), and those
  // of Device::Restore().
  static absl::StatusOr<std::unique_ptr<FlatBlock>> Restore(
      const Config& config, const SharedMemory& memory,
      const Dependencies& dependencies, const DeviceState& state);

  Device& device() { return *device_; }

  MmioHandler& registers() { return registers_; }
  uint64_t registers_size() const { return kQemuFlat.block_size; }

  MemoryBlock& memory() { return memory_; }

 private:
  // The line as the device's way to interrupt.
  class Irq : public InterruptSink {
   public:
    explicit Irq(PulseSink* line) : line_(line) {}
    InterruptResult Deliver(Vector vector) noexcept override;

   private:
    PulseSink* const line_;
  };

  // `state` is null for a new one.
  static absl::StatusOr<std::unique_ptr<FlatBlock>> Make(
      const Config& config, const SharedMemory& memory,
      const Dependencies& dependencies, const DeviceState* state);

  FlatBlock(std::unique_ptr<Irq> irq, std::unique_ptr<Device> device,
            const SharedMemory& memory, MemoryAccess access,
            MemoryBlock::Listener* written)
      : irq_(std::move(irq)),
        device_(std::move(device)),
        registers_(*device_),
        memory_(memory, access, written) {}

  const std::unique_ptr<Irq> irq_;
  const std::unique_ptr<Device> device_;
  RegisterBlock registers_;
  MemoryBlock memory_;
};

}  // namespace ivshmem::mmio

#endif  // IVSHMEM_BUS_MMIO_FLAT_BLOCK_H_
