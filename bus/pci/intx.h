// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_PCI_INTX_H_
#define IVSHMEM_BUS_PCI_INTX_H_

#include <atomic>

#include "bus/interrupt_lines.h"
#include "core/settle.h"

namespace ivshmem::pci {

// The level that a device wants on its interrupt pin.
//
// Threading: called from any thread, never under a lock of the library's.
class IntxSource {
 public:
  virtual ~IntxSource() = default;
  virtual bool IntxLevel() const noexcept = 0;
};

// A function's interrupt pin: the device's level, unless the guest set
// Interrupt Disable (PCI Local Bus 3.0, 6.2.2). The line follows the state, not
// the order in which threads changed it (core/settle.h). It is taken to be low
// at first, and is told only when its level changes.
//
// Threading: any thread; calls may re-enter.
class Intx {
 public:
  // Both outlive the object; `line` may be null.
  Intx(const IntxSource& source, LineSink* line)
      : source_(source), line_(line) {}

  // Interrupt Status of the config space: whether the device wants to
  // interrupt, disabled or not.
  bool status() const noexcept { return source_.IntxLevel(); }

  void SetDisabled(bool disabled) noexcept {
    StoreDisabled(disabled);
    Settle();
  }

  // SetDisabled() in two steps, for who must store under a lock to keep the
  // order of its writers: this one calls nothing, and Settle() follows once the
  // lock is gone.
  void StoreDisabled(bool disabled) noexcept {
    disabled_.store(disabled, std::memory_order_relaxed);
  }

  // Moves the line to where it belongs: the source's level, or what was stored,
  // may have changed.
  void Settle() noexcept;

 private:
  const IntxSource& source_;
  LineSink* const line_;
  std::atomic<bool> disabled_{false};
  Settler settler_;
  bool level_ = false;  // Of the line; only who settles touches it.
};

}  // namespace ivshmem::pci

#endif  // IVSHMEM_BUS_PCI_INTX_H_
