// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/protocol/connection.h"

#include <poll.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

namespace ivshmem::vfio_user {
namespace {

// Messages that want no reply and are handled before others get their turn.
constexpr int kMostAtOnce = 64;

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> Connection::Start(
    EventLoop& loop, UniqueFd socket, DeviceModel& model,
    absl::Duration patience, Ended ended, bool busy) {
  auto connection = absl::WrapUnique(new Connection(
      std::move(socket), model, patience, std::move(ended), busy));
  Connection* const self = connection.get();
  absl::StatusOr<std::unique_ptr<EventLoop::Timer>> timer =
      loop.NewTimer([self] {
        self->End(absl::DeadlineExceededError(
            absl::StrCat("message: expected all of it within ",
                         absl::FormatDuration(self->patience_))));
      });
  if (!timer.ok()) return timer.status();
  connection->timer_ = *std::move(timer);
  auto watch =
      loop.NewWatch(connection->stream_.fd(), EPOLLIN,
                    [self](uint32_t events) { self->OnReady(events); });
  if (!watch.ok()) return watch.status();
  connection->watch_ = *std::move(watch);
  connection->SetPatience(true);
  return connection;
}

Connection::Connection(UniqueFd socket, DeviceModel& model,
                       absl::Duration patience, Ended ended, bool busy)
    : stream_(std::move(socket)),
      session_(model, busy),
      patience_(patience),
      ended_(std::move(ended)) {}

void Connection::EndIfClosed() {
  pollfd state = {.fd = stream_.fd(), .events = 0, .revents = 0};
  if (poll(&state, 1, 0) != 1 || (state.revents & (POLLHUP | POLLERR)) == 0) {
    return;
  }
  // The socket's buffer bounds what there is.
  absl::Status status;
  while (status.ok() && !over_) status = Serve();
  End(over_ ? absl::OkStatus() : status);
}

void Connection::Finish() {
  stream_.StopReceiving();
  absl::Status status;
  while (status.ok() && !over_ && !Unsent()) status = Serve();
}

void Connection::OnReady(uint32_t events) {
  absl::Status status;
  if (Unsent()) status = Flush();
  if (status.ok() && !Unsent() && !over_ && (events & ~EPOLLOUT) != 0) {
    status = Serve();
  }
  if (!status.ok() || over_) {
    End(status);
    return;
  }
  if (writing_ == Unsent()) return;
  writing_ = Unsent();
  watch_->SetEvents(writing_ ? EPOLLOUT : EPOLLIN);
}

absl::Status Connection::Serve() {
  for (int i = 0; i < kMostAtOnce; ++i) {
    const absl::StatusOr<MessageStream::State> state = stream_.Read(session_);
    if (!state.ok()) return state.status();
    if (*state == MessageStream::State::kEnd) {
      over_ = true;
      return absl::OkStatus();
    }
    if (*state != MessageStream::State::kWhole) {
      if (*state == MessageStream::State::kPart) SetPatience(true);
      return absl::OkStatus();
    }
    MessageStream::Message message = stream_.Take();
    absl::Status status = session_.Handle(message.header, message.payload,
                                          std::move(message.fds), reply_);
    if (!status.ok()) return status;
    sent_ = 0;
    if (!reply_.bytes.empty()) {
      status = Flush();
      if (!status.ok()) return status;
    }
    SetPatience(false);
    if (reply_.last && !Unsent()) over_ = true;
    // Who gets a reply says nothing until he has it.
    if (!reply_.bytes.empty()) return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status Connection::Flush() {
  absl::Status status = stream_.Send(reply_, sent_);
  if (status.ok() && !Unsent() && reply_.last) over_ = true;
  return status;
}

void Connection::SetPatience(bool running) {
  if (running == patience_runs_) return;
  patience_runs_ = running;
  if (running) {
    timer_->Set(patience_);
  } else {
    timer_->Clear();
  }
}

void Connection::End(const absl::Status& why) {
  if (!ended_) return;
  over_ = true;
  watch_->SetEvents(0);
  // A local, as the call may destroy this.
  Ended ended = std::exchange(ended_, nullptr);
  ended(why);
}

}  // namespace ivshmem::vfio_user
