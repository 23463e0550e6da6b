// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_NOTIFIER_H_
#define IVSHMEM_CORE_NOTIFIER_H_

#include <cstdint>

namespace ivshmem {

// Something outside that carries a signal and that a hypervisor can watch
// without us: on Linux an eventfd. The core only hands it on.
struct EventHandle {
  static constexpr int64_t kNone = -1;

  int64_t value = kNone;

  constexpr bool valid() const { return value != kNone; }
  friend constexpr bool operator==(EventHandle, EventHandle) = default;
};

// Carries a ring to one vector of one peer: an eventfd, or a device of the same
// process.
//
// Threading: Signal() is called from any thread, by several at once, and never
// under a lock of the library's. It may call back into the device that rings.
class Notifier {
 public:
  // What became of a signal.
  enum class Outcome : uint8_t {
    kSignalled,
    // The carrier holds as many signals as it can and took no more, as an
    // eventfd at its limit. The peer has one waiting already, so nothing that a
    // guest could tell apart is lost.
    kFull,
    // The carrier is gone or broken.
    kFailed,
  };

  virtual ~Notifier() = default;

  // Must not block.
  virtual Outcome Signal() noexcept = 0;

  // What a hypervisor may bind to a doorbell value in this notifier's stead.
  // Not valid when there is no such thing; doorbells then stay on the trapped
  // path.
  virtual EventHandle event() const noexcept { return {}; }

  // Takes the signals that event() holds and that nobody has taken yet, as one:
  // whether there were any. For who saves the device that they are meant for.
  // False where a signal does not wait for a reader. Must not block.
  virtual bool TakeSignals() noexcept { return false; }

  // Around the moment in which a hypervisor takes over what event() signals
  // (IrqRouter): nobody in this process takes a signal that the event holds
  // after HoldSignals() and before ReleaseSignals(). When the hypervisor has
  // `sent` those that it found there, they are forgotten; a hypervisor may
  // leave them in the event, and whoever reads it would send them once more.
  // One caller at a time; neither blocks.
  virtual void HoldSignals() noexcept {}
  virtual void ReleaseSignals(bool sent) noexcept { static_cast<void>(sent); }

  // For a hypervisor that leaves in the event what it has sent. With `drop` the
  // signals that the event holds are forgotten, and those that come later are
  // taken by whoever reads it, who does nothing for them; without, those that
  // come later count again. Between HoldSignals() and ReleaseSignals().
  virtual void DropSignals(bool drop) noexcept { static_cast<void>(drop); }
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_NOTIFIER_H_
