// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_DELIVERY_H_
#define IVSHMEM_SERVER_DELIVERY_H_

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "core/doorbell.h"
#include "core/protocol/roster.h"
#include "server/client.h"
#include "server/events.h"

namespace ivshmem::server {

// Sends clients what the roster owes them, each as much in its turn as its
// socket's buffer holds. Those who read are told the rest before many others
// are begun; those who do not hold up nobody for long. A full socket buffer and
// the kernel's limit of descriptors under way make a client wait; they are no
// errors.
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
    // That client has to go: it is not in `clients` any more when this returns,
    // or away.
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

  // That client is not in `clients` any more, or away; the others are to be
  // told if something changed for them.
  void OnLeft(PeerId peer);

  // Since when the kernel has refused descriptors and no client could be sent
  // all of a batch; nullopt when it does not refuse them.
  std::optional<absl::Time> pressed_since() const { return pressed_since_; }

  const Counts& counts() const { return counts_; }

 private:
  Delivery(Clients& clients, protocol::Roster& roster, int memory, Owner owner);

  void MakeReady(PeerId peer, Client& client);
  void SetRound();
  void Round();
  // Those whose buffers were filled go on.
  void Refill();
  // Nobody waits for the readers any more.
  void StopWaiting();
  // Whose turn is next; null when nobody's is now.
  std::deque<PeerId>* NextQueue();
  // Counts in `batches` what was sent. Returns false if the kernel refuses
  // descriptors.
  bool TakeTurn(PeerId peer, Client& client, int& batches);
  // The buffer of `client`, which was `sent` so many messages, is full.
  void OnFull(PeerId peer, Client& client, uint64_t sent);
  int HandleOf(const protocol::Outgoing& outgoing) const;

  Clients& clients_;
  protocol::Roster& roster_;
  const int memory_;
  Owner owner_;
  std::unique_ptr<EventLoop::Timer> round_;
  // Clients whose turn is kReady or kPressed, and some who left.
  std::deque<PeerId> ready_;
  // The same; their buffers were full and have room again.
  std::deque<PeerId> going_on_;
  // Clients whose turn is kFilled, and some who left; and when it is over.
  std::vector<PeerId> filled_;
  absl::Time refill_;
  // Clients whose turn is kFull or kFilled: those for whom others wait, and
  // those for whom they have waited in vain (and until these know everything).
  absl::flat_hash_set<PeerId> readers_;
  absl::flat_hash_set<PeerId> slow_;
  size_t most_readers_;  // Before others are begun.
  // How long others still wait for readers while nobody can be told anything,
  // and since when they do.
  absl::Duration patience_;
  std::optional<absl::Time> idle_since_;
  absl::Time begun_ = absl::InfinitePast();  // The last turn out of `ready_`.
  bool round_set_ = false;
  absl::Duration retry_delay_;
  std::optional<absl::Time> pressed_since_;
  Counts counts_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_DELIVERY_H_
