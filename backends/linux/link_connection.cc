// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/link_connection.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "backends/linux/unix_socket.h"
#include "core/protocol/message.h"

namespace ivshmem {
namespace {

absl::Status CheckSocket(int socket) {
  int domain = -1;
  int type = -1;
  int listens = -1;
  for (const auto& [option, value] :
       {std::pair(SO_DOMAIN, &domain), std::pair(SO_TYPE, &type),
        std::pair(SO_ACCEPTCONN, &listens)}) {
    socklen_t size = sizeof(*value);
    if (getsockopt(socket, SOL_SOCKET, option, value, &size) != 0) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "connection: expected a socket, got descriptor %d, which is none",
          socket));
    }
  }
  if (domain != AF_UNIX || type != SOCK_STREAM || listens != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "connection: expected a connected stream socket of the UNIX domain, "
        "got domain %d, type %d%s",
        domain, type, listens == 0 ? "" : ", which listens"));
  }
  const int flags = fcntl(socket, F_GETFL);
  if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(socket, F_SETFD, FD_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "connection: set O_NONBLOCK, FD_CLOEXEC");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<LinkConnection>> LinkConnection::Open(
    EventLoop& loop, const std::string& path,
    const std::optional<std::string>& own_name, absl::Duration deadline,
    Receiver& receiver) {
  absl::StatusOr<UniqueFd> socket = unix_socket::Connect(path, own_name);
  if (!socket.ok()) return socket.status();
  auto connection =
      absl::WrapUnique(new LinkConnection(path, *std::move(socket), receiver));
  LinkConnection* self = connection.get();

  absl::StatusOr<std::unique_ptr<EventLoop::Timer>> timer =
      loop.NewTimer([self, deadline, &receiver] {
        receiver.Enter([self, deadline] {
          self->self_.With([deadline](LinkConnection& connection) {
            connection.OnDeadline(deadline);
          });
        });
      });
  if (!timer.ok()) return timer.status();
  connection->deadline_ = *std::move(timer);
  connection->deadline_->Set(deadline);

  absl::Status watched = connection->Watch(loop);
  if (!watched.ok()) return watched;
  return connection;
}

absl::Status LinkConnection::Check(const Session& session) {
  if (session.rest.bytes.size() >= protocol::kMessageBytes) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "message under way: expected less than %d bytes, got %d",
        protocol::kMessageBytes, session.rest.bytes.size()));
  }
  if (absl::Status status = protocol::Client::Resume(session.client).status();
      !status.ok()) {
    return status;
  }
  return CheckSocket(session.socket.get());
}

absl::StatusOr<std::unique_ptr<LinkConnection>> LinkConnection::Resume(
    EventLoop& loop, const std::string& path, Session session,
    Receiver& receiver) {
  absl::Status status = Check(session);
  if (!status.ok()) return status;
  absl::StatusOr<protocol::Client> client =
      protocol::Client::Resume(session.client);
  if (!client.ok()) return client.status();
  auto connection = absl::WrapUnique(
      new LinkConnection(path, std::move(session.socket), receiver));
  connection->client_ = *std::move(client);
  connection->reader_.Feed(session.rest.bytes, std::move(session.rest.handles),
                           [](const auto&) {});
  status = connection->Watch(loop);
  if (!status.ok()) return status;
  return connection;
}

absl::Status LinkConnection::Watch(EventLoop& loop) {
  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch =
      loop.NewWatch(socket_.get(), EPOLLIN, [this](uint32_t) {
        receiver_.Enter([this] {
          self_.With([](LinkConnection& connection) { connection.OnReady(); });
        });
      });
  if (!watch.ok()) return watch.status();
  watch_ = *std::move(watch);
  return absl::OkStatus();
}

std::optional<LinkConnection::Session> LinkConnection::Release() {
  watch_.reset();
  std::optional<protocol::ClientState> client = client_.Save();
  if (!client.has_value()) return std::nullopt;
  return Session{std::move(socket_), *std::move(client), reader_.Release()};
}

LinkConnection::LinkConnection(std::string path, UniqueFd socket,
                               Receiver& receiver)
    : path_(std::move(path)), socket_(std::move(socket)), receiver_(receiver) {}

// Both handlers use watch and timer: neither may be left when one goes.
LinkConnection::~LinkConnection() { self_.Revoke(); }

void LinkConnection::OnReady() {
  for (int i = 0; i < kMessagesPerTurn; ++i) {
    const absl::StatusOr<bool> more = ReadOnce();
    if (!more.ok()) return End(more.status());
    if (!*more) return;
  }
}

absl::StatusOr<bool> LinkConnection::ReadOnce() {
  // No more than the message lacks: so a descriptor is known to be its.
  std::array<uint8_t, protocol::kMessageBytes> buffer;
  absl::StatusOr<unix_socket::Received> received = unix_socket::Receive(
      socket_.get(), absl::MakeSpan(buffer).first(reader_.missing()));
  if (!received.ok()) return received.status();
  // A message without its descriptor would mean something else.
  if (received->fds_lost) {
    return absl::ResourceExhaustedError(
        absl::StrCat("a descriptor that came when ", client_.awaited(),
                     " was awaited could not be taken: this process has as "
                     "many open as it may, or more came than any message has"));
  }
  if (received->condition == unix_socket::Condition::kWouldBlock) return false;
  if (received->condition == unix_socket::Condition::kClosed) {
    return absl::UnavailableError(
        client_.joined()
            ? std::string("the server closed the connection")
            : absl::StrCat("the server closed the connection before ",
                           client_.awaited(), " came"));
  }

  absl::Status result;
  reader_.Feed(absl::MakeConstSpan(buffer).first(received->bytes),
               std::move(received->fds),
               [&](protocol::MessageReader<UniqueFd>::Message message) {
                 const absl::StatusOr<protocol::ClientEvent> event =
                     client_.OnMessage(message.number, message.handles.size());
                 result = event.status();
                 if (!event.ok()) return;
                 UniqueFd fd;
                 if (!message.handles.empty()) {
                   fd = std::move(message.handles.front());
                 }
                 result = receiver_.OnMessage(*event, std::move(fd));
               });
  if (!result.ok()) return result;
  if (client_.joined()) deadline_.reset();
  return true;
}

void LinkConnection::OnDeadline(absl::Duration deadline) {
  if (client_.joined()) return;
  End(absl::DeadlineExceededError(
      absl::StrFormat("the server did not send %s within %s", client_.awaited(),
                      absl::FormatDuration(deadline))));
}

void LinkConnection::End(const absl::Status& why) {
  watch_->SetEvents(0);
  if (deadline_ != nullptr) deadline_->Clear();
  receiver_.OnEnd(
      absl::Status(why.code(), absl::StrCat(path_, ": ", why.message())));
}

}  // namespace ivshmem
