// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LINK_CONNECTION_H_
#define IVSHMEM_BACKENDS_LINUX_LINK_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
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
    // Runs `work`, in which the connection reads and calls what follows, or
    // does nothing: then nothing is read any more.
    virtual void Enter(absl::FunctionRef<void()> work) = 0;
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

  // A connection that has joined, for another process.
  struct Session {
    UniqueFd socket;
    protocol::ClientState client;
    // What has come of the message under way.
    protocol::MessageReader<UniqueFd>::Rest rest;
  };

  // Ends it here and leaves it open; nullopt when it has not joined, or the
  // server broke the protocol. While the receiver enters nobody.
  std::optional<Session> Release();

  // Whether that is one; its socket does not block afterwards. Errors:
  // InvalidArgument that names what was wrong, what was expected and what came.
  static absl::Status Check(const Session& session);

  // Goes on with one. Errors: as Check(); what the kernel says.
  static absl::StatusOr<std::unique_ptr<LinkConnection>> Resume(
      EventLoop& loop, const std::string& path, Session session,
      Receiver& receiver);

 private:
  // How many messages one turn of the loop takes, so that a server that never
  // ends does not keep the loop.
  static constexpr int kMessagesPerTurn = 256;

  LinkConnection(std::string path, UniqueFd socket, Receiver& receiver);

  absl::Status Watch(EventLoop& loop);
  void OnReady();
  void OnDeadline(absl::Duration deadline);
  // One read. False when there is nothing more to read now.
  absl::StatusOr<bool> ReadOnce();
  void End(const absl::Status& why);

  const std::string path_;
  UniqueFd socket_;
  Receiver& receiver_;
  protocol::MessageReader<UniqueFd> reader_;
  protocol::Client client_;
  Revocable<LinkConnection> self_{*this};
  std::unique_ptr<EventLoop::Watch> watch_;
  std::unique_ptr<EventLoop::Timer> deadline_;  // Null once joined.
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LINK_CONNECTION_H_
