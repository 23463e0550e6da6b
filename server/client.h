// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_CLIENT_H_
#define IVSHMEM_SERVER_CLIENT_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "backends/linux/unix_socket.h"
#include "core/doorbell.h"
#include "core/protocol/roster.h"
#include "server/events.h"

namespace ivshmem::server {

// One client of a server: its connection and the events of its vectors.
//
// Threading: the loop's thread.
class Client {
 public:
  // Whether it is this client's turn to be sent something.
  enum class Turn : uint8_t {
    kIdle,     // It knows everything.
    kReady,    // It waits for its turn.
    kFilled,   // Its socket's buffer was filled a moment ago.
    kFull,     // It waits for room in its socket's buffer.
    kPressed,  // It waits for the kernel to allow more descriptors under way.
    kAway,     // It has no connection, and may come back.
  };

  // What became of a Send().
  enum class Sent : uint8_t { kAll, kSome, kFull, kTooManyInFlight, kGone };

  // The descriptor that goes with a message, -1 for none.
  using HandleOf = absl::FunctionRef<int(const protocol::Outgoing&)>;

  // Makes the events of `vectors` vectors. `owner` is by what the client is
  // known again, empty if it is not. Errors: what the kernel says.
  static absl::StatusOr<std::unique_ptr<Client>> Create(
      UniqueFd socket, const unix_socket::Credentials& who, std::string owner,
      int vectors);

  // Closes the connection. The events stay, with what is rung.
  void GoAway();

  // The client that was away, by another connection. This one is of no use any
  // more.
  std::unique_ptr<Client> Return(UniqueFd socket,
                                 const unix_socket::Credentials& who);

  // Waits for the connection from now on.
  absl::Status Watch(EventLoop& loop, EventLoop::Ready ready);

  // Sends the next batch of what `roster` owes the client `id`. Adds the
  // messages that went out to `messages`.
  Sent Send(PeerId id, protocol::Roster& roster, HandleOf handle_of,
            uint64_t& messages);

  // Looks at what came from the client: why it is to go, or nothing.
  std::optional<Departure> Read();

  // Looks at what the client left unread. To have been sent something, to have
  // read something, and to have read all is progress.
  void Sample(absl::Time now);

  // For a client that does not read for a while, as a virtual machine that is
  // stopped: its socket's buffer, small for those who do, holds more from now
  // on.
  void GiveRoom();

  Turn turn() const { return turn_; }
  bool in_queue() const {
    return turn_ == Turn::kReady || turn_ == Turn::kPressed;
  }
  bool waits() const {
    return turn_ == Turn::kFilled || turn_ == Turn::kFull ||
           turn_ == Turn::kPressed;
  }
  void set_turn(Turn turn);

  const unix_socket::Credentials& who() const { return who_; }
  const std::string& owner() const { return owner_; }
  int event(Vector vector) const { return events_[vector]->fd(); }
  // Bytes of kernel memory, at the last Sample().
  int unread() const { return unread_; }
  absl::Time joined() const { return joined_; }
  absl::Time progress() const { return progress_; }
  void set_progress(absl::Time now) { progress_ = now; }

 private:
  Client(UniqueFd socket, const unix_socket::Credentials& who,
         std::string owner);

  UniqueFd socket_;
  const unix_socket::Credentials who_;
  const std::string owner_;
  const absl::Time joined_;
  std::vector<std::shared_ptr<EventFd>> events_;
  std::unique_ptr<EventLoop::Watch> watch_;
  Turn turn_ = Turn::kIdle;
  // A message of which only the first `cut_bytes_` went out. Whatever changes,
  // the rest has to follow.
  int64_t cut_number_ = 0;
  size_t cut_bytes_ = 0;
  int unread_ = 0;
  bool roomy_ = false;
  absl::Time progress_;
};

using Clients = absl::btree_map<PeerId, std::unique_ptr<Client>>;

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_CLIENT_H_
