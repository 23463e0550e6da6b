// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/line_socket.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/time/clock.h"

namespace ivshmem::qemu {

LineSocket::LineSocket(UniqueFd socket) : socket_(std::move(socket)) {}

void LineSocket::Queue(absl::string_view line) {
  out_.append(line.data(), line.size());
  out_ += '\n';
}

absl::StatusOr<std::string> LineSocket::ReadLine(absl::Time deadline) {
  while (true) {
    const size_t end = in_.find('\n', scanned_);
    if (end != std::string::npos) {
      std::string line = in_.substr(taken_, end - taken_);
      taken_ = scanned_ = end + 1;
      return line;
    }
    in_.erase(0, taken_);
    taken_ = 0;
    scanned_ = in_.size();

    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError("no answer within the deadline");
    }
    pollfd socket = {.fd = socket_.get(), .events = POLLIN, .revents = 0};
    if (sent_ < out_.size()) socket.events |= POLLOUT;
    const absl::Duration turn = std::min(left, absl::Seconds(60));
    if (poll(&socket, 1,
             static_cast<int>(absl::ToInt64Milliseconds(turn)) + 1) <= 0) {
      continue;
    }
    if (absl::Status status = Transfer(socket.revents); !status.ok()) {
      return status;
    }
  }
}

absl::Status LineSocket::Transfer(int ready) {
  if ((ready & POLLOUT) != 0) {
    const ssize_t bytes =
        send(socket_.get(), out_.data() + sent_, out_.size() - sent_,
             MSG_DONTWAIT | MSG_NOSIGNAL);
    if (bytes > 0) sent_ += bytes;
    if (sent_ == out_.size()) {
      out_.clear();
      sent_ = 0;
    }
    // What it said before it closed is still to be read.
    if (bytes < 0 && errno == EPIPE) ready |= POLLIN;
  }
  if ((ready & (POLLIN | POLLHUP | POLLERR)) == 0) return absl::OkStatus();
  char piece[65536];
  const ssize_t bytes = recv(socket_.get(), piece, sizeof(piece), MSG_DONTWAIT);
  if (bytes > 0) {
    in_.append(piece, bytes);
    return absl::OkStatus();
  }
  if (bytes == 0) return absl::UnavailableError("the other side has closed");
  if (errno == EAGAIN || errno == EINTR) return absl::OkStatus();
  if (errno == ECONNRESET) return absl::UnavailableError("connection reset");
  return absl::ErrnoToStatus(errno, "recv");
}

}  // namespace ivshmem::qemu
