// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/status_socket.h"

#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/memory/memory.h"

namespace ivshmem::server {

absl::StatusOr<std::unique_ptr<StatusSocket>> StatusSocket::Start(
    EventLoop& loop, int listener, Options options) {
  auto status = absl::WrapUnique(new StatusSocket(loop, std::move(options)));
  auto acceptor = Acceptor::Create(
      loop, listener,
      [self = status.get()](UniqueFd connection) {
        self->Connected(std::move(connection));
      },
      [](const absl::Status&) {});
  if (!acceptor.ok()) return acceptor.status();
  status->acceptor_ = *std::move(acceptor);
  return status;
}

StatusSocket::StatusSocket(EventLoop& loop, Options options)
    : loop_(loop), options_(std::move(options)) {}

void StatusSocket::Connected(UniqueFd connection) {
  if (readers_.size() == kMostReaders) return;
  auto reader = std::make_unique<Reader>();
  reader->connection = std::move(connection);
  reader->document = options_.document();
  if (!Write(*reader)) return;
  const uint64_t number = ++last_reader_;
  if (Wait(number, *reader).ok()) readers_.emplace(number, std::move(reader));
}

bool StatusSocket::Write(Reader& reader) {
  while (reader.written < reader.document.size()) {
    const ssize_t written = send(
        reader.connection.get(), reader.document.data() + reader.written,
        reader.document.size() - reader.written, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (written < 0) return errno == EAGAIN || errno == EINTR;
    reader.written += written;
  }
  return false;
}

absl::Status StatusSocket::Wait(uint64_t number, Reader& reader) {
  auto watch = loop_.NewWatch(reader.connection.get(), EPOLLOUT,
                              [this, number](uint32_t) {
                                if (!Write(*readers_.at(number))) {
                                  readers_.erase(number);
                                }
                              });
  if (!watch.ok()) return watch.status();
  auto patience = loop_.NewTimer([this, number] { readers_.erase(number); });
  if (!patience.ok()) return patience.status();
  reader.watch = *std::move(watch);
  reader.patience = *std::move(patience);
  reader.patience->Set(options_.patience);
  return absl::OkStatus();
}

}  // namespace ivshmem::server
