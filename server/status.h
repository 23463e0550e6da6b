// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_STATUS_H_
#define IVSHMEM_SERVER_STATUS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "backends/linux/unix_socket.h"
#include "core/doorbell.h"
#include "server/delivery.h"
#include "server/events.h"

namespace ivshmem::server {

// What happened since a server started.
struct Counts {
  uint64_t joined = 0;
  uint64_t returned = 0;  // After they were away.
  std::array<uint64_t, static_cast<size_t>(Departure::kCount)> left = {};
  std::array<uint64_t, static_cast<size_t>(Refusal::kCount)> refused = {};
  uint64_t trouble = 0;  // As ServerEvents::OnTrouble().
};

// One client of a server.
struct PeerStatus {
  PeerId peer = 0;
  unix_socket::Credentials who;
  uint64_t queued = 0;   // Messages that it is owed and was not sent yet.
  int unread = 0;        // Bytes of kernel memory for what it was sent.
  bool waiting = false;  // For room in its buffer, or for the kernel.
  bool away = false;     // It may come back.
  absl::Duration age;
};

// A server, as it is at one moment.
struct Status {
  int vectors = 0;
  int max_peers = 0;
  absl::Duration uptime;
  Counts counts;
  Delivery::Counts delivery;
  std::vector<PeerStatus> peers;  // By id.
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_STATUS_H_
