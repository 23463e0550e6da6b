// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/acceptor.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/time/time.h"
#include "backends/linux/unix_socket.h"

namespace ivshmem::server {
namespace {

// Connections accepted before the loop looks at other things.
constexpr int kPerTurn = 16;

constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Create(EventLoop& loop,
                                                           int listener,
                                                           Connected connected,
                                                           Trouble trouble) {
  auto acceptor = absl::WrapUnique(
      new Acceptor(listener, std::move(connected), std::move(trouble)));
  Acceptor* const self = acceptor.get();
  auto pause = loop.NewTimer([self] { self->watch_->SetEvents(EPOLLIN); });
  if (!pause.ok()) return pause.status();
  acceptor->pause_ = *std::move(pause);
  auto watch =
      loop.NewWatch(listener, EPOLLIN, [self](uint32_t) { self->Accept(); });
  if (!watch.ok()) return watch.status();
  acceptor->watch_ = *std::move(watch);
  return acceptor;
}

Acceptor::Acceptor(int listener, Connected connected, Trouble trouble)
    : listener_(listener),
      connected_(std::move(connected)),
      trouble_(std::move(trouble)) {}

void Acceptor::Accept() {
  for (int i = 0; i < kPerTurn; ++i) {
    absl::StatusOr<UniqueFd> connection = unix_socket::Accept(listener_);
    if (!connection.ok()) {
      watch_->SetEvents(0);
      pause_->Set(kPause);
      trouble_(connection.status());
      return;
    }
    if (!connection->valid()) return;
    connected_(*std::move(connection));
  }
}

}  // namespace ivshmem::server
