// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/protocol/server.h"

#include <utility>

#include "absl/memory/memory.h"
#include "backends/linux/unix_socket.h"

namespace ivshmem::vfio_user {
namespace {

// Connections that are taken before others get their turn.
constexpr int kMostAtOnce = 16;

// Connections that are told that the device is busy, at a time. When there are
// more, the oldest is closed.
constexpr size_t kMostTurnedAway = 8;

// When one cannot be taken, for want of descriptors say, the listener would be
// told of again at once.
constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(EventLoop& loop,
                                                      int listener,
                                                      DeviceModel& model,
                                                      const Options& options,
                                                      Told told) {
  auto server = absl::WrapUnique(
      new Server(loop, listener, model, options, std::move(told)));
  Server* const self = server.get();
  auto pause = loop.NewTimer([self] { self->watch_->SetEvents(EPOLLIN); });
  if (!pause.ok()) return pause.status();
  server->pause_ = *std::move(pause);
  auto watch =
      loop.NewWatch(listener, EPOLLIN, [self](uint32_t) { self->Accept(); });
  if (!watch.ok()) return watch.status();
  server->watch_ = *std::move(watch);
  return server;
}

Server::Server(EventLoop& loop, int listener, DeviceModel& model,
               const Options& options, Told told)
    : loop_(loop),
      listener_(listener),
      model_(model),
      options_(options),
      told_(std::move(told)) {}

Server::~Server() {
  if (connection_ == nullptr) return;
  connection_->Finish();
  connection_.reset();
  model_.ClientLeft();
}

void Server::Accept() {
  for (int i = 0; i < kMostAtOnce; ++i) {
    absl::StatusOr<UniqueFd> socket = unix_socket::Accept(listener_);
    if (!socket.ok()) {
      watch_->SetEvents(0);
      pause_->Set(kPause);
      Tell(Event::kTrouble, socket.status());
      return;
    }
    if (!socket->valid()) return;
    // The last one's end may not have been told of yet.
    if (connection_ != nullptr) connection_->EndIfClosed();
    if (connection_ != nullptr) {
      TurnAway(*std::move(socket));
    } else {
      Serve(*std::move(socket));
    }
  }
}

void Server::Serve(UniqueFd socket) {
  absl::StatusOr<std::unique_ptr<Connection>> connection =
      Connection::Start(loop_, std::move(socket), model_, options_.patience,
                        [this](const absl::Status& why) { OnEnded(why); });
  if (!connection.ok()) {
    Tell(Event::kTrouble, connection.status());
    return;
  }
  connection_ = *std::move(connection);
  Tell(Event::kConnected, absl::OkStatus());
}

void Server::TurnAway(UniqueFd socket) {
  if (turned_away_.size() == kMostTurnedAway) turned_away_.pop_front();
  const auto place = turned_away_.emplace(turned_away_.end());
  absl::StatusOr<std::unique_ptr<Connection>> connection = Connection::Start(
      loop_, std::move(socket), model_, options_.patience,
      [this, place](const absl::Status&) { turned_away_.erase(place); },
      /*busy=*/true);
  if (!connection.ok()) {
    turned_away_.erase(place);
    Tell(Event::kTrouble, connection.status());
    return;
  }
  *place = *std::move(connection);
  Tell(Event::kTurnedAway, absl::OkStatus());
}

void Server::OnEnded(const absl::Status& why) {
  connection_.reset();
  model_.ClientLeft();
  Tell(why.ok() ? Event::kLeft : Event::kEnded, why);
}

void Server::Tell(Event event, const absl::Status& why) {
  ++counts_[static_cast<size_t>(event)];
  if (told_ != nullptr) told_(event, why);
}

}  // namespace ivshmem::vfio_user
