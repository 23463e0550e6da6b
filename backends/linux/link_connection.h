// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LINK_CONNECTION_H_
#define IVSHMEM_BACKENDS_LINUX_LINK_CONNECTION_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "core/protocol/client.h"
#include "core/protocol/message_reader.h"
#include "core/revocable.h"

namespace ivshmem {

// One connection to a server, from connect() to its end.
//
// Threading: opened on the loop's thread, or before the loop runs; destroyed
// from any thread, also from inside OnEnd(). No call of the receiver is under
// way on another thread afterwards.
class LinkConnection {
 public:
  class Receiver {
   public:
    virtual ~Receiver() = default;
    // `fd` is the descriptor that came with the message, if one did.
    virtual absl::Status OnMessage(const protocol::ClientEvent& event,
                                   UniqueFd fd) = 0;
    // The connection has ended, because of an error of OnMessage() or another
    // that `why` tells. The last call; it may destroy the connection.
    virtual void OnEnd(absl::Status why) = 0;
  };

  // Connects and reads from then on. Version, id and memory have to come within
  // `deadline`. Errors: unix_socket::Connect's.
  static absl::StatusOr<std::unique_ptr<LinkConnection>> Open(
      EventLoop& loop, const std::string& path,
      const std::optional<std::string>& own_name, absl::Duration deadline,
      Receiver& receiver);
  ~LinkConnection();

 private:
  // How many messages one turn of the loop takes, so that a server that never
  // ends does not keep the loop.
  static constexpr int kMessagesPerTurn = 256;

  LinkConnection(std::string path, UniqueFd socket, Receiver& receiver);

  void OnReady();
  void OnDeadline(absl::Duration deadline);
  // One read. False when there is nothing more to read now.
  absl::StatusOr<bool> ReadOnce();
  void End(const absl::Status& why);

  const std::string path_;
  const UniqueFd socket_;
  Receiver& receiver_;
  protocol::MessageReader<UniqueFd> reader_;
  protocol::Client client_;
  Revocable<LinkConnection> self_{*this};
  std::unique_ptr<EventLoop::Watch> watch_;
  std::unique_ptr<EventLoop::Timer> deadline_;  // Null once joined.
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LINK_CONNECTION_H_
