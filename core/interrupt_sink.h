// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_INTERRUPT_SINK_H_
#define IVSHMEM_CORE_INTERRUPT_SINK_H_

#include <cstdint>

#include "core/doorbell.h"

namespace ivshmem {

// What became of a peer's interrupt.
enum class InterruptResult : uint8_t {
  kDelivered,  // The guest has it.
  // The bus keeps it until the guest lets it through: a masked MSI-X vector.
  kHeld,
  kDisabled,       // Lost: the guest has not enabled interrupts on the bus.
  kNoSuchVector,   // Lost: the device has fewer vectors.
  kNotConfigured,  // Lost: the device is not configured for interrupts.
  // Limits::interrupts: it comes later, with others of its vector, and has
  // another result then.
  kDeferred,
  kCount,
};

// A short English name, as "no such vector".
const char* InterruptResultName(InterruptResult result);

// Where a device's interrupts go that are events: the bus adapter's MSI-X or
// IRQ line.
//
// Threading: called from any thread, by several at once, never under a lock of
// the library's. Calls may re-enter the device.
class InterruptSink {
 public:
  virtual ~InterruptSink() = default;

  // A peer rang `vector`, which is below the device's number of vectors. An
  // event: every call counts, though the bus may merge what it holds. Returns
  // kDelivered, kHeld or kDisabled.
  virtual InterruptResult Deliver(Vector vector) noexcept = 0;
};

// Who follows a device's interrupt that is a level: the bus adapter's INTx.
//
// Threading: as InterruptSink.
class LevelListener {
 public:
  virtual ~LevelListener() = default;

  // What Device::interrupt_level() gives may have changed. It carries no value
  // on purpose: two vCPUs could apply two values in the wrong order, so the
  // receiver reads the level until it is stable (core/settle.h).
  virtual void LevelMayHaveChanged() noexcept = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_INTERRUPT_SINK_H_
