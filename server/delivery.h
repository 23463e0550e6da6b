// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_DELIVERY_H_
#define IVSHMEM_SERVER_DELIVERY_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "core/doorbell.h"
#include "core/protocol/roster.h"
#include "server/client.h"
#include "server/events.h"

namespace ivshmem::server {

// Sends clients what the roster owes them: a batch to each in turn, so that
// none waits for another. A full socket buffer and the kernel's limit of
// descriptors under way make a client wait; they are no errors.
//
// Threading: the loop's thread.
class Delivery {
 public:
  struct Counts {
    uint64_t messages = 0;            // Sent.
    uint64_t full_buffers = 0;        // Times that a client had to wait, ...
    uint64_t too_many_in_flight = 0;  // ... and for which reason.
  };

  struct Owner {
    // Runs before the first client's turn of each round.
    absl::AnyInvocable<void()> before_round;
    absl::AnyInvocable<void()> after_round;
    // That client has to go: it is not in `clients` any more when this returns.
    absl::AnyInvocable<void(PeerId, Departure)> gone;
  };

  // `clients`, `roster` and the descriptor `memory` are the caller's and
  // outlive this.
  static absl::StatusOr<std::unique_ptr<Delivery>> Create(
      EventLoop& loop, Clients& clients, protocol::Roster& roster, int memory,
      Owner owner);

  // Something changed: every client that waits for nothing else gets a turn.
  void Wake();

  // The socket of `client` has room again.
  void OnRoom(PeerId peer, Client& client);

  // Since when the kernel has refused descriptors and no client could be sent
  // all of a batch; nullopt when it does not refuse them.
  std::optional<absl::Time> pressed_since() const { return pressed_since_; }

  const Counts& counts() const { return counts_; }

 private:
  Delivery(Clients& clients, protocol::Roster& roster, int memory, Owner owner);

  void MakeReady(PeerId peer, Client& client);
  void Round();
  // Returns false if the kernel refuses descriptors.
  bool TakeTurn(PeerId peer, Client& client);
  int HandleOf(const protocol::Outgoing& outgoing) const;

  Clients& clients_;
  protocol::Roster& roster_;
  const int memory_;
  Owner owner_;
  std::unique_ptr<EventLoop::Timer> round_;
  // Clients whose turn is kReady or kPressed, and some who left.
  std::deque<PeerId> ready_;
  bool round_set_ = false;
  absl::Duration retry_delay_;
  std::optional<absl::Time> pressed_since_;
  Counts counts_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_DELIVERY_H_
