// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LINK_EVENTS_H_
#define IVSHMEM_BACKENDS_LINUX_LINK_EVENTS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "core/doorbell.h"

namespace ivshmem {

// Something that happened between a ServerLink and its server.
struct LinkEvent {
  enum class Kind : uint8_t {
    // Id and memory have come, for the first time or again: `peer` is the id.
    kJoined,
    kRejoined,
    // All peers that were there at the (re-)join have been told of.
    kPeersKnown,
    // An attempt to join failed: `text` says why.
    kFailed,
    // The connection ended: `text` says why. Peers can still be rung.
    kLost,
    // The server gave another id, `peer`, than the device had, `old_peer`.
    // Told before the device gets it.
    kIdChanged,
    // The server has another memory than the device. The link is over: who
    // wants the new memory makes a new device.
    kMemoryChanged,
    // `peer` can be rung, by its first vector at least.
    kPeerJoined,
    kPeerLeft,
    // `text` says what cannot be done, as watching one vector more.
    kWarning,
    kCount,
  };

  Kind kind;
  PeerId peer = 0;
  PeerId old_peer = 0;
  absl::string_view text = {};  // Valid during the call.
};

// Threading: called from the loop's thread (a kWarning also from the one that
// attaches a device), not under a lock of the library's. It may use the link
// and the device; it must not destroy the link.
class LinkEvents {
 public:
  virtual ~LinkEvents() = default;
  virtual void OnLinkEvent(const LinkEvent& event) noexcept = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LINK_EVENTS_H_
