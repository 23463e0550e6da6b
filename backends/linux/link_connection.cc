// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/link_connection.h"

#include <sys/epoll.h>

#include <array>
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
      loop.NewTimer([self, deadline] {
        self->self_.With([deadline](LinkConnection& connection) {
          connection.OnDeadline(deadline);
        });
      });
  if (!timer.ok()) return timer.status();
  connection->deadline_ = *std::move(timer);
  connection->deadline_->Set(deadline);

  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch =
      loop.NewWatch(connection->socket_.get(), EPOLLIN, [self](uint32_t) {
        self->self_.With(
            [](LinkConnection& connection) { connection.OnReady(); });
      });
  if (!watch.ok()) return watch.status();
  connection->watch_ = *std::move(watch);
  return connection;
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
