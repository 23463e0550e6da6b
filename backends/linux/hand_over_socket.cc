// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// How a hand-over crosses a socket: a head, the bytes, and for each batch of
// descriptors one byte. The answer is one byte.

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/types/span.h"
#include "backends/linux/hand_over.h"
#include "backends/linux/received_fds.h"

namespace ivshmem {
namespace {

// SCM_MAX_FD: as many as one message of the kernel's carries.
constexpr size_t kBatch = 253;
constexpr uint64_t kMagic = 0x316f686d68737669;  // "ivshmho1".
constexpr uint8_t kBatchByte = 'f';
constexpr uint8_t kConfirmed = 'y';

// How long to wait for the kernel to allow more descriptors under way.
constexpr absl::Duration kPressure = absl::Milliseconds(1);

struct Head {
  uint64_t magic = kMagic;
  uint64_t bytes = 0;
  uint64_t descriptors = 0;
};

size_t Batches(size_t descriptors) {
  return (descriptors + kBatch - 1) / kBatch;
}

absl::Status Closed() {
  return absl::UnavailableError("hand-over: the other side has closed");
}

// In milliseconds, rounded up; -1 waits without end. A longer wait than poll()
// knows of is waited for again.
int PollTimeout(absl::Duration left) {
  if (left == absl::InfiniteDuration()) return -1;
  const int64_t milliseconds =
      absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)));
  return static_cast<int>(
      std::min<int64_t>(milliseconds, std::numeric_limits<int>::max()));
}

// Waits until `socket` is ready for `events`.
absl::Status Wait(int socket, int16_t events, absl::Time deadline) {
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(
          "hand-over: the other side did not do its part in time");
    }
    pollfd ready = {.fd = socket, .events = events, .revents = 0};
    const int count = poll(&ready, 1, PollTimeout(left));
    if (count > 0) return absl::OkStatus();
    if (count < 0 && errno != EINTR) {
      return absl::ErrnoToStatus(errno, "hand-over: poll");
    }
  }
}

using Control = std::array<char, CMSG_SPACE(kBatch * sizeof(int))>;

// Sends all of `bytes`, with `fds` beside the first.
absl::Status Send(int socket, absl::Span<const uint8_t> bytes,
                  absl::Span<const int> fds, absl::Time deadline) {
  while (!bytes.empty()) {
    if (absl::Status status = Wait(socket, POLLOUT, deadline); !status.ok()) {
      return status;
    }
    iovec part = {.iov_base = const_cast<uint8_t*>(bytes.data()),
                  .iov_len = bytes.size()};
    alignas(cmsghdr) Control control = {};
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = CMSG_SPACE(fds.size() * sizeof(int));
      cmsghdr* const rights = CMSG_FIRSTHDR(&message);
      rights->cmsg_level = SOL_SOCKET;
      rights->cmsg_type = SCM_RIGHTS;
      rights->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(rights), fds.data(), fds.size() * sizeof(int));
    }
    const ssize_t sent = sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) {
      bytes.remove_prefix(static_cast<size_t>(sent));
      fds = {};
      continue;
    }
    switch (errno) {
      case EINTR:
      case EAGAIN:
        continue;
      case ETOOMANYREFS:
      case ENOBUFS:
      case ENOMEM:
        absl::SleepFor(kPressure);
        continue;
      case EPIPE:
      case ECONNRESET:
        return Closed();
      default:
        return absl::ErrnoToStatus(errno, "hand-over: send");
    }
  }
  return absl::OkStatus();
}

// Fills `bytes`, and adds the descriptors that came beside to `fds`, `most` of
// them in all.
absl::Status Receive(int socket, absl::Span<uint8_t> bytes, size_t most,
                     std::vector<UniqueFd>& fds, absl::Time deadline) {
  while (!bytes.empty()) {
    if (absl::Status status = Wait(socket, POLLIN, deadline); !status.ok()) {
      return status;
    }
    iovec part = {.iov_base = bytes.data(), .iov_len = bytes.size()};
    alignas(cmsghdr) Control control;
    msghdr message = {};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t got =
        recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (got < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (got < 0 && errno != ECONNRESET) {
      return absl::ErrnoToStatus(errno, "hand-over: receive");
    }
    if (got <= 0) return Closed();
    TakeReceivedFds(message, fds);
    if ((message.msg_flags & MSG_CTRUNC) != 0) {
      return absl::ResourceExhaustedError(
          "hand-over: descriptors could not be taken: this process has as many "
          "open as it may");
    }
    if (fds.size() > most) {
      return absl::InvalidArgumentError(absl::StrFormat(
          "hand-over: descriptors: expected %d, got more", most));
    }
    bytes.remove_prefix(static_cast<size_t>(got));
  }
  return absl::OkStatus();
}

template <typename T>
absl::Span<uint8_t> BytesOf(T& value) {
  return {reinterpret_cast<uint8_t*>(&value), sizeof(value)};
}

absl::Status Check(const Head& head, const HandOverLimits& limits) {
  const auto check = [](const char* field, uint64_t got, uint64_t most) {
    if (got <= most) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrFormat(
        "hand-over: %s: expected at most %d, got %d", field, most, got));
  };
  if (head.magic != kMagic) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "hand-over: head: expected %#x, got %#x", kMagic, head.magic));
  }
  absl::Status status = check("bytes", head.bytes, limits.most_bytes);
  status.Update(
      check("descriptors", head.descriptors, limits.most_descriptors));
  return status;
}

}  // namespace

absl::Status SendHandOver(int socket, const HandOver& hand_over,
                          absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  const HandOverParts parts = TakeApart(hand_over);
  Head head = {.bytes = parts.bytes.size(), .descriptors = parts.fds.size()};
  absl::Status status = Send(socket, BytesOf(head), {}, deadline);
  if (!status.ok()) return status;
  status = Send(socket,
                {reinterpret_cast<const uint8_t*>(parts.bytes.data()),
                 parts.bytes.size()},
                {}, deadline);
  for (size_t at = 0; status.ok() && at < parts.fds.size(); at += kBatch) {
    status = Send(socket, {&kBatchByte, 1},
                  absl::MakeConstSpan(parts.fds).subspan(at, kBatch), deadline);
  }
  if (!status.ok()) return status;
  uint8_t answer = 0;
  std::vector<UniqueFd> none;
  status = Receive(socket, {&answer, 1}, 0, none, deadline);
  if (status.ok() && answer != kConfirmed) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "hand-over: answer: expected %d, got %d", kConfirmed, answer));
  }
  return status;
}

absl::StatusOr<HandOver> ReceiveHandOver(int socket,
                                         const HandOverLimits& limits,
                                         absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::vector<UniqueFd> fds;
  Head head;
  absl::Status status = Receive(socket, BytesOf(head), 0, fds, deadline);
  if (status.ok()) status = Check(head, limits);
  if (!status.ok()) return status;
  std::string bytes(head.bytes, '\0');
  status =
      Receive(socket, {reinterpret_cast<uint8_t*>(bytes.data()), bytes.size()},
              head.descriptors, fds, deadline);
  uint8_t batch = 0;
  for (size_t i = 0; status.ok() && i < Batches(head.descriptors); ++i) {
    status = Receive(socket, {&batch, 1}, head.descriptors, fds, deadline);
  }
  if (!status.ok()) return status;
  return PutTogether(bytes, std::move(fds));
}

absl::Status ConfirmHandOver(int socket) {
  return Send(socket, {&kConfirmed, 1}, {}, absl::Now() + absl::Seconds(5));
}

}  // namespace ivshmem
