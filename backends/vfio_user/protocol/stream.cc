// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/protocol/stream.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_format.h"
#include "backends/linux/received_fds.h"

namespace ivshmem::vfio_user {
namespace {

// Room for the descriptors of one message, and for one more so that a message
// with too many is known by its count as well.
union Control {
  cmsghdr align;
  std::array<char, CMSG_SPACE((kMostFds + 1) * sizeof(int))> bytes;
};

}  // namespace

MessageStream::~MessageStream() {
  StopReceiving();
  // Descriptors that come with it are closed by the kernel.
  std::array<uint8_t, 4096> unread;
  ssize_t got;
  do {
    got = recv(socket_.get(), unread.data(), unread.size(), MSG_DONTWAIT);
  } while (got > 0 || (got < 0 && errno == EINTR));
}

void MessageStream::StopReceiving() { shutdown(socket_.get(), SHUT_RD); }

absl::StatusOr<MessageStream::State> MessageStream::Read(
    const Session& session) {
  if (!sized_) {
    absl::StatusOr<State> state =
        Fill({reinterpret_cast<uint8_t*>(&header_), sizeof(header_)},
             header_filled_);
    if (!state.ok() || *state != State::kWhole) return state;
    const absl::StatusOr<size_t> size = session.PayloadSize(header_);
    if (!size.ok()) return size.status();
    sized_ = true;
    payload_size_ = *size;
    payload_filled_ = 0;
    if (payload_.size() < payload_size_) payload_.resize(payload_size_);
  }
  if (payload_filled_ == payload_size_) return State::kWhole;
  return Fill(absl::MakeSpan(payload_).first(payload_size_), payload_filled_);
}

absl::StatusOr<MessageStream::State> MessageStream::Fill(
    absl::Span<uint8_t> part, size_t& filled) {
  Control control;
  iovec data = {.iov_base = part.data() + filled,
                .iov_len = part.size() - filled};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = &control;
  message.msg_controllen = sizeof(control);
  ssize_t got;
  do {
    got = recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  const bool begins = header_filled_ == 0;
  if (got < 0) {
    if (errno == EAGAIN) return begins ? State::kNothing : State::kPart;
    if (errno != ECONNRESET) return absl::ErrnoToStatus(errno, "recvmsg");
    got = 0;
  }
  const size_t had = fds_.size();
  TakeReceivedFds(message, fds_);
  if (got == 0) {
    if (begins) return State::kEnd;
    return absl::InvalidArgumentError(
        "message: the other side closed before its end");
  }
  if ((message.msg_flags & MSG_CTRUNC) != 0 || fds_.size() > kMostFds) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "descriptors: expected at most %d with a message, and room for them in "
        "this process, got more",
        kMostFds));
  }
  if (fds_.size() != had && !begins) {
    return absl::InvalidArgumentError(
        "descriptors: expected with the first byte of a message, got later");
  }
  filled += got;
  return filled == part.size() ? State::kWhole : State::kPart;
}

MessageStream::Message MessageStream::Take() {
  Message message = {
      .header = header_,
      .payload = absl::MakeConstSpan(payload_).first(payload_size_),
      .fds = std::exchange(fds_, {})};
  header_filled_ = 0;
  sized_ = false;
  return message;
}

absl::Status MessageStream::Send(const Reply& reply, size_t& sent) {
  Control control = {};
  iovec data = {.iov_base = const_cast<uint8_t*>(reply.bytes.data()) + sent,
                .iov_len = reply.bytes.size() - sent};
  msghdr message = {};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (sent == 0 && !reply.fds.empty()) {
    message.msg_control = &control;
    message.msg_controllen = CMSG_SPACE(reply.fds.size() * sizeof(int));
    cmsghdr* rights = CMSG_FIRSTHDR(&message);
    rights->cmsg_level = SOL_SOCKET;
    rights->cmsg_type = SCM_RIGHTS;
    rights->cmsg_len = CMSG_LEN(reply.fds.size() * sizeof(int));
    for (size_t i = 0; i < reply.fds.size(); ++i) {
      std::memcpy(CMSG_DATA(rights) + i * sizeof(int), &reply.fds[i].fd,
                  sizeof(int));
    }
  }
  ssize_t gone;
  do {
    gone = sendmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  } while (gone < 0 && errno == EINTR);
  if (gone >= 0) {
    sent += gone;
    return absl::OkStatus();
  }
  if (errno == EAGAIN) return absl::OkStatus();
  if (errno == EPIPE || errno == ECONNRESET) {
    return absl::UnavailableError("the other side reads no more");
  }
  return absl::ErrnoToStatus(errno, "sendmsg");
}

}  // namespace ivshmem::vfio_user
