// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_EVENTS_H_
#define IVSHMEM_SERVER_EVENTS_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "backends/linux/unix_socket.h"
#include "core/doorbell.h"

namespace ivshmem::server {

// Why a client is not there any more.
enum class Departure : uint8_t {
  kHungUp,   // It closed, or its process ended.
  kSpoke,    // It sent something. The protocol has nothing that a client says.
  kStalled,  // It was owed messages and took none for the stall timeout.
  kHoarded,  // The kernel had too many descriptors under way, and this client
             // left the most of them unread.
  kBroken,   // The kernel reported an error of its socket.
  kCount,
};

// Why a client was turned away, before a byte was sent to it.
enum class Refusal : uint8_t {
  kNotAllowed,     // By the list of users and groups.
  kFull,           // There are as many peers as there may be.
  kNoDescriptors,  // The process is out of them, or the system.
  kBroken,         // The kernel reported an error of its socket.
  kCount,
};

// As in the status document: "hung up", "not allowed".
absl::string_view Name(Departure departure);
absl::string_view Name(Refusal refusal);

// Is told what happens in a server. Nothing here is needed to serve.
//
// Threading: called on the loop's thread. May ask the server for its status;
// may not destroy it.
class ServerEvents {
 public:
  using Credentials = unix_socket::Credentials;

  virtual ~ServerEvents() = default;

  virtual void OnJoined(PeerId peer, const Credentials& who) = 0;
  virtual void OnLeft(PeerId peer, const Credentials& who, Departure why) = 0;
  // A peer that may come back closed its connection, and it came back. One that
  // does not leaves when its time is over.
  virtual void OnAway(PeerId peer, const Credentials& who) = 0;
  virtual void OnReturned(PeerId peer, const Credentials& who) = 0;
  // `who` is all zero where the kernel did not say.
  virtual void OnRefused(const Credentials& who, Refusal why) = 0;
  // Something did not work and will be tried again: to save the state, to
  // accept a connection.
  virtual void OnTrouble(const absl::Status& trouble) = 0;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_EVENTS_H_
