// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_SERVER_H_
#define IVSHMEM_SERVER_SERVER_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "core/doorbell.h"
#include "core/protocol/id_pool.h"
#include "core/protocol/roster.h"
#include "server/absences.h"
#include "server/acceptor.h"
#include "server/access.h"
#include "server/client.h"
#include "server/delivery.h"
#include "server/events.h"
#include "server/ids.h"
#include "server/stall_watch.h"
#include "server/status.h"

namespace ivshmem::server {

// Which clients are taken to be fragile (see Ids).
enum class RestIds : uint8_t {
  kAuto,    // QEMU, or what may be one (see MayBeQemu()).
  kAlways,  // All that have no name of our own clients'.
  kNever,   // None.
};

// An ivshmem server: hands out ids, the memory and everybody's events to the
// clients of a listening socket (specification, "The ivshmem Client-Server
// Protocol"). Gives the lowest id that is free, and to a client that is known
// again the one that it had, where that harms no other (see Ids).
//
// Nothing that a client does or leaves undone blocks the server or makes
// another client wait; each costs it one descriptor and one for each vector,
// and memory that does not grow with what the others do.
//
// Threading: the loop's thread.
class Server {
 public:
  using Holdings = std::vector<protocol::IdPool::Holding>;

  struct Options {
    int vectors = 1;       // Of each client: 1..kMaxVectors.
    int max_peers = 1024;  // At the same time: 1..kMaxPeers.
    AccessList access;
    // Whose presence makes the ids of those who go rest (see Ids).
    RestIds rest_ids = RestIds::kAuto;
    // How long a client may be owed messages and read none. Positive.
    absl::Duration stall_timeout = absl::Seconds(30);
    // How long the id of a client that may be known again is kept for it.
    absl::Duration keep_ids = absl::Seconds(60);
    // How long the others are not told that a client that may be known again
    // has closed its connection. If it comes again meanwhile, nobody notices,
    // and it gets the events that it had, with what was rung in between. When
    // all places are taken, who is away makes room.
    absl::Duration absent_peers = absl::ZeroDuration();
    // Ids that clients had before a restart. Kept for as long; what does not
    // fit is left out.
    Holdings holdings;
    // Keeps what a restarted server needs as `holdings`. Called before a client
    // is sent the first byte, once for all that came in one turn of the loop.
    // An error is trouble for `events`; the next change is another try. Null
    // where nothing is to be kept.
    absl::AnyInvocable<absl::Status(const Holdings&)> save;
  };

  // Accepts connections of the listening socket `listener` from now on; each
  // gets the descriptor `memory`. Both are the caller's, as is `events` (which
  // may be null), and outlive the server. Errors: InvalidArgument for options
  // out of range; what the kernel says.
  static absl::StatusOr<std::unique_ptr<Server>> Start(EventLoop& loop,
                                                       int listener, int memory,
                                                       Options options,
                                                       ServerEvents* events);
  // Closes all connections.
  ~Server();

  // How many clients there are, with those that are away.
  int peers() const { return static_cast<int>(clients_.size()); }

  // What is so now. Takes time with the square of the number of peers, about a
  // millisecond for 300.
  Status status() const;

  // Saves the holdings now, whether they changed or not.
  absl::Status Save();

 private:
  Server(EventLoop& loop, Options options, ServerEvents* events);

  void Connected(UniqueFd connection);
  void Admit(UniqueFd connection, const unix_socket::Credentials& who,
             const std::string& owner);
  // Who is known by `owner` and there, or away.
  std::optional<PeerId> Find(const std::string& owner) const;
  void Return(PeerId peer, UniqueFd connection,
              const unix_socket::Credentials& who);
  absl::Status Watch(PeerId peer, Client& client);
  void Refuse(const unix_socket::Credentials& who, Refusal why);
  void OnReady(PeerId peer, uint32_t ready);
  // Takes leave of a client, for the time being if it may come back.
  void Remove(PeerId peer, Departure why);
  void Depart(PeerId peer, Departure why);
  void OnTrouble(const absl::Status& trouble);
  void SaveIfChanged();

  EventLoop& loop_;
  Options options_;
  ServerEvents* const events_;
  const absl::Time started_;
  protocol::Roster roster_;
  Ids ids_;
  Clients clients_;
  Counts counts_;
  bool holdings_changed_ = false;
  std::unique_ptr<Delivery> delivery_;
  std::unique_ptr<StallWatch> stall_watch_;
  std::unique_ptr<Absences> absences_;
  std::unique_ptr<Acceptor> acceptor_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_SERVER_H_
