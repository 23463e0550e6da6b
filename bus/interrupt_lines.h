// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_INTERRUPT_LINES_H_
#define IVSHMEM_BUS_INTERRUPT_LINES_H_

namespace ivshmem {

// The wires by which a device without messages interrupts.
//
// Threading: called from any thread, never under a lock of the library's. Calls
// may re-enter the device. They must not block.

// A level-triggered line: INTx. The library never has two calls under way at
// once for one device.
class LineSink {
 public:
  virtual ~LineSink() = default;
  virtual void SetLevel(bool asserted) noexcept = 0;
};

// An edge-triggered line: the flat device's IRQ. Several pulses may come at
// once. Each is one edge in one piece: of two at once neither may swallow the
// edge of a pulse that the guest has handled already.
class PulseSink {
 public:
  virtual ~PulseSink() = default;
  virtual void Pulse() noexcept = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BUS_INTERRUPT_LINES_H_
