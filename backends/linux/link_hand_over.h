// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LINK_HAND_OVER_H_
#define IVSHMEM_BACKENDS_LINUX_LINK_HAND_OVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/linux/event_fd.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "core/doorbell.h"

namespace ivshmem {

// A ServerLink on its way to another process (hand_over.h), or back to this one
// when the other could not take it: see ServerLink::HandOver() and Adopt().
//
// To destroy it is to leave the server. A device that is migrated does that,
// and takes `identity` along as ServerLink::Options::identity.
//
// Threading: a value.
struct LinkHandOver {
  struct Peer {
    PeerId id = 0;
    // Of the session before; the server has not named it since the link joined
    // anew.
    bool absent = false;
    std::vector<std::shared_ptr<EventFd>> events;  // By vector; at least one.
  };

  // By which peers that have not heard of the last re-join ring the device.
  struct EarlierEvent {
    Vector vector = 0;
    std::shared_ptr<EventFd> event;
  };

  // With the server, from where this process stopped reading.
  struct Connection {
    UniqueFd socket;
    uint64_t messages = 0;  // That have come.
    // Of how many vectors of the device's own the server has told. May be more
    // than are kept.
    int own_vectors = 0;
    bool peers_known = false;  // LinkEvent::kPeersKnown has been told.
    // What has come of the message under way: less than 8 bytes.
    std::vector<uint8_t> bytes;
    std::vector<UniqueFd> fds;
  };

  std::string identity;
  PeerId id = 0;
  MemoryObject memory;
  std::vector<Peer> peers;  // The device itself among them, when it was told.
  std::vector<EarlierEvent> earlier;
  // Absent while the server is away: the link that goes on connects anew.
  std::optional<Connection> connection;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LINK_HAND_OVER_H_
