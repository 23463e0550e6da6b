// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_EVENTS_H_
#define IVSHMEM_CORE_EVENTS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "core/doorbell.h"
#include "core/interrupt_sink.h"
#include "core/peer_table.h"

namespace ivshmem {

// Something that an embedder may want to log, trace or act upon. The library
// itself logs nothing.
struct DeviceEvent {
  enum class Kind : uint8_t {
    // The guest wrote the doorbell: `doorbell`, `ring`.
    kRing,
    // A peer rang the device: `doorbell.vector`, `interrupt`.
    kInterrupt,
    kReset,
    // The device's id is now `doorbell.peer`, or it has none (`text` says so).
    kIdChanged,
    // What the embedder asked for holds with a restriction, said in `text`.
    kWarning,
    // A BAR that the guest placed could not be shown to it: `address`, `text`.
    // It stays out of the guest's sight until it is placed anew.
    kMapFailed,
    // A doorbell stays on the trapped path: `doorbell`, `text`. No fault.
    kDoorbellNotAccelerated,
    // A vector stays on the trapped path: `doorbell.vector`, `text`. No fault.
    kInterruptNotRouted,
  };

  Kind kind;
  // What the kind does not name is 0.
  Doorbell doorbell = {};
  RingResult ring = RingResult::kDelivered;
  InterruptResult interrupt = InterruptResult::kDelivered;
  uint64_t address = 0;
  absl::string_view text = {};  // Valid during the call.
};

// Threading: called from the thread on which the thing happens, by several at
// once, never under a lock of the library's. It may call back into the device.
// It is on the access path: whoever logs from here bounds the rate.
class DeviceEvents {
 public:
  virtual ~DeviceEvents() = default;
  virtual void OnEvent(const DeviceEvent& event) noexcept = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_EVENTS_H_
