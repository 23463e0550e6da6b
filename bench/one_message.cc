// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/one_message.h"

#include <cerrno>
#include <cstring>

#include "absl/status/status.h"

namespace ivshmem::bench {

OneMessage::OneMessage()
    : part_{.iov_base = &number_, .iov_len = sizeof(number_)} {}

absl::Status OneMessage::Send(int socket, int64_t number, int fd) {
  number_ = number;
  msghdr message = {};
  message.msg_iov = &part_;
  message.msg_iovlen = 1;
  message.msg_control = control_.data();
  message.msg_controllen = control_.size();
  cmsghdr* const control = CMSG_FIRSTHDR(&message);
  control->cmsg_level = SOL_SOCKET;
  control->cmsg_type = SCM_RIGHTS;
  control->cmsg_len = CMSG_LEN(sizeof(fd));
  std::memcpy(CMSG_DATA(control), &fd, sizeof(fd));
  if (sendmsg(socket, &message, MSG_NOSIGNAL) == sizeof(number_)) {
    return absl::OkStatus();
  }
  return absl::ErrnoToStatus(errno, "send");
}

absl::StatusOr<Arrived> OneMessage::Receive(int socket, int flags) {
  msghdr message = {};
  message.msg_iov = &part_;
  message.msg_iovlen = 1;
  message.msg_control = control_.data();
  message.msg_controllen = control_.size();
  const ssize_t bytes = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
  if (bytes < 0 && errno == EAGAIN) return absl::UnavailableError("");
  if (bytes < 0) return absl::ErrnoToStatus(errno, "receive");
  Arrived arrived = {.number = number_, .fd = UniqueFd()};
  if (const cmsghdr* control = CMSG_FIRSTHDR(&message)) {
    int fd;
    std::memcpy(&fd, CMSG_DATA(control), sizeof(fd));
    arrived.fd = UniqueFd(fd);
  }
  if (bytes == 0) return absl::OutOfRangeError("the connection has ended");
  if (bytes != sizeof(number_) || (message.msg_flags & MSG_CTRUNC) != 0) {
    return absl::DataLossError("receive: a part of a message");
  }
  return arrived;
}

}  // namespace ivshmem::bench
