// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/unix_socket.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "backends/linux/received_fds.h"

namespace ivshmem::unix_socket {
namespace {

constexpr size_t kMessageBytes = 8;
constexpr size_t kMaxFds = 8;
// Without the zero byte that ends a path or begins an abstract name.
constexpr size_t kMaxName = sizeof(sockaddr_un::sun_path) - 1;

struct Address {
  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&socket);
  }

  sockaddr_un socket = {.sun_family = AF_UNIX, .sun_path = {}};
  socklen_t size = 0;
};

absl::StatusOr<Address> PathAddress(const std::string& path) {
  // A zero byte first would make it an abstract name, elsewhere another path.
  if (path.empty() || path.size() > kMaxName ||
      path.find('\0') != std::string::npos) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "socket path: expected 1 to %d bytes, none of them zero, got %d: '%s'",
        kMaxName, path.size(), absl::CEscape(path)));
  }
  Address address;
  std::memcpy(address.socket.sun_path, path.data(), path.size());
  address.size = offsetof(sockaddr_un, sun_path) + path.size() + 1;
  return address;
}

absl::StatusOr<Address> AbstractAddress(const std::string& name) {
  if (name.empty() || name.size() > kMaxName) {
    return absl::InvalidArgumentError(
        absl::StrFormat("socket name: expected 1 to %d bytes, got %d: '%s'",
                        kMaxName, name.size(), absl::CEscape(name)));
  }
  Address address;
  std::memcpy(address.socket.sun_path + 1, name.data(), name.size());
  address.size = offsetof(sockaddr_un, sun_path) + 1 + name.size();
  return address;
}

absl::StatusOr<UniqueFd> NewSocket() {
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "new socket");
  return fd;
}

absl::Status ConnectError(int error, absl::string_view path) {
  switch (error) {
    case EAGAIN:
      return absl::ResourceExhaustedError(absl::StrCat(
          path, ": the listener's queue is full; a later try may succeed"));
    case ECONNREFUSED:
      return absl::UnavailableError(absl::StrCat(path, ": nobody listens"));
    default:
      return absl::ErrnoToStatus(error, path);
  }
}

// Gives the socket at `path` the permission bits that the umask took. Only a
// socket: who may write in its folder may have put something else there.
absl::Status SetMode(const std::string& path, mode_t mode) {
  const UniqueFd file(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  struct stat status;
  if (!file.valid() || fstat(file.get(), &status) != 0) {
    return absl::ErrnoToStatus(errno, path);
  }
  if (!S_ISSOCK(status.st_mode)) {
    return absl::AbortedError(
        absl::StrCat(path, ": somebody replaced the new socket"));
  }
  if ((status.st_mode & ALLPERMS) == mode) return absl::OkStatus();
  const std::string held = absl::StrFormat("/proc/self/fd/%d", file.get());
  if (chmod(held.c_str(), mode) == 0) return absl::OkStatus();
  return absl::ErrnoToStatus(
      errno, absl::StrFormat("%s: set its mode to %04o", path, mode));
}

// What the kernel is told of one message. The header points into the object.
class Outgoing {
 public:
  void Set(const Message& message, size_t skip, mmsghdr& header) {
    for (size_t i = 0; i < kMessageBytes; ++i) {
      bytes_[i] = static_cast<uint8_t>(static_cast<uint64_t>(message.number) >>
                                       (8 * i));
    }
    part_ = {.iov_base = bytes_.data() + skip, .iov_len = kMessageBytes - skip};
    header = {};
    header.msg_hdr.msg_iov = &part_;
    header.msg_hdr.msg_iovlen = 1;
    // It went with the first byte.
    if (message.fd < 0 || skip > 0) return;
    header.msg_hdr.msg_control = control_.data();
    header.msg_hdr.msg_controllen = control_.size();
    cmsghdr* control = CMSG_FIRSTHDR(&header.msg_hdr);
    control->cmsg_level = SOL_SOCKET;
    control->cmsg_type = SCM_RIGHTS;
    control->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(control), &message.fd, sizeof(int));
  }

 private:
  std::array<uint8_t, kMessageBytes> bytes_;
  iovec part_;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control_ = {};
};

// Why a send ended; kOk for what no condition describes.
Condition SendCondition(int error) {
  switch (error) {
    case EAGAIN:
      return Condition::kWouldBlock;
    case EPIPE:
    case ECONNRESET:
      return Condition::kClosed;
    case ETOOMANYREFS:
    case ENOBUFS:
    case ENOMEM:
      return Condition::kTooManyInFlight;
    default:
      return Condition::kOk;
  }
}

}  // namespace

absl::StatusOr<UniqueFd> Connect(const std::string& path,
                                 const std::optional<std::string>& own_name) {
  const absl::StatusOr<Address> address = PathAddress(path);
  if (!address.ok()) return address.status();
  absl::StatusOr<UniqueFd> fd = NewSocket();
  if (!fd.ok()) return fd;
  if (own_name.has_value()) {
    const absl::StatusOr<Address> own = AbstractAddress(*own_name);
    if (!own.ok()) return own.status();
    if (bind(fd->get(), own->get(), own->size) != 0) {
      const std::string what =
          absl::StrFormat("socket name '%s'", absl::CEscape(*own_name));
      if (errno == EADDRINUSE) {
        return absl::AlreadyExistsError(
            absl::StrCat(what, ": another socket has it"));
      }
      return absl::ErrnoToStatus(errno, what);
    }
  }
  if (connect(fd->get(), address->get(), address->size) != 0) {
    return ConnectError(errno, path);
  }
  return fd;
}

absl::StatusOr<UniqueFd> Listen(const std::string& path, mode_t mode) {
  const absl::StatusOr<Address> address = PathAddress(path);
  if (!address.ok()) return address.status();
  if ((mode & ~mode_t{ACCESSPERMS}) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "socket mode: expected permission bits, 0 to 0777, got %#o", mode));
  }
  absl::StatusOr<UniqueFd> fd = NewSocket();
  if (!fd.ok()) return fd;
  // Linux makes the file with the bits of the socket's inode that the umask
  // lets through, so it never has more; and until listen() nobody connects.
  if (fchmod(fd->get(), mode) != 0) {
    return absl::ErrnoToStatus(errno, "mode of a new socket");
  }
  if (bind(fd->get(), address->get(), address->size) != 0) {
    if (errno == EADDRINUSE) {
      return absl::AlreadyExistsError(
          absl::StrCat(path, ": expected no file, got one that exists"));
    }
    return absl::ErrnoToStatus(errno, path);
  }
  absl::Status status = SetMode(path, mode);
  if (status.ok() && listen(fd->get(), SOMAXCONN) != 0) {
    status = absl::ErrnoToStatus(errno, absl::StrCat(path, ": listen"));
  }
  if (status.ok()) return fd;
  if (!absl::IsAborted(status)) unlink(path.c_str());  // Else not ours.
  return status;
}

absl::StatusOr<UniqueFd> Accept(int listener) {
  while (true) {
    UniqueFd fd(
        accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (fd.valid() || errno == EAGAIN || errno == ECONNABORTED) return fd;
    if (errno != EINTR) return absl::ErrnoToStatus(errno, "accept");
  }
}

absl::StatusOr<Credentials> PeerCredentials(int socket) {
  ucred credentials;
  socklen_t size = sizeof(credentials);
  if (getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return absl::ErrnoToStatus(errno, "credentials of a connection");
  }
  return Credentials{credentials.pid, credentials.uid, credentials.gid};
}

std::string PeerName(int socket) {
  sockaddr_un peer = {};
  socklen_t size = sizeof(peer);
  constexpr socklen_t kFirst = offsetof(sockaddr_un, sun_path) + 1;
  if (getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0 ||
      peer.sun_family != AF_UNIX || size <= kFirst || size > sizeof(peer) ||
      peer.sun_path[0] != '\0') {
    return "";
  }
  return std::string(peer.sun_path + 1, size - kFirst);
}

absl::StatusOr<Received> Receive(int socket, absl::Span<uint8_t> buffer) {
  if (buffer.empty()) {
    return absl::InvalidArgumentError("receive: expected a buffer, got none");
  }
  iovec part = {.iov_base = buffer.data(), .iov_len = buffer.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(kMaxFds * sizeof(int))> control;
  msghdr message = {};
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  ssize_t bytes;
  do {
    bytes = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (bytes < 0 && errno == EINTR);
  if (bytes < 0 && errno == EAGAIN) {
    return Received{.condition = Condition::kWouldBlock};
  }
  if (bytes < 0 && errno != ECONNRESET) {
    return absl::ErrnoToStatus(errno, "receive");
  }
  if (bytes <= 0) return Received{.condition = Condition::kClosed};
  Received received = {.condition = Condition::kOk,
                       .bytes = static_cast<size_t>(bytes),
                       .fds_lost = (message.msg_flags & MSG_CTRUNC) != 0};
  TakeReceivedFds(message, received.fds);
  return received;
}

absl::StatusOr<SendResult> SendMessages(int socket,
                                        absl::Span<const Message> messages,
                                        size_t skip) {
  std::array<Outgoing, kMaxBatch> outgoing;
  std::array<mmsghdr, kMaxBatch> headers;
  const size_t count = std::min(messages.size(), kMaxBatch);
  for (size_t i = 0; i < count; ++i) {
    outgoing[i].Set(messages[i], i == 0 ? skip : 0, headers[i]);
  }
  SendResult result = {.bytes = skip};
  while (result.messages < count) {
    const int sent =
        sendmmsg(socket, &headers[result.messages], count - result.messages,
                 MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent < 0) {
      if (errno == EINTR) continue;
      result.condition = SendCondition(errno);
      if (result.condition == Condition::kOk && result.messages == 0) {
        return absl::ErrnoToStatus(errno, "send");
      }
      return result;
    }
    for (int i = 0; i < sent; ++i) {
      const mmsghdr& header = headers[result.messages];
      result.bytes += header.msg_len;
      if (header.msg_len < header.msg_hdr.msg_iov->iov_len) {
        result.condition = Condition::kWouldBlock;
        return result;
      }
      ++result.messages;
      result.bytes = 0;
    }
  }
  return result;
}

void SetSendBuffer(int socket, int bytes) {
  setsockopt(socket, SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
}

int Unread(int socket) {
  int bytes = 0;
  return ioctl(socket, SIOCOUTQ, &bytes) == 0 ? bytes : 0;
}

}  // namespace ivshmem::unix_socket
