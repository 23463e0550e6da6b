// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/listening_socket.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/unix_socket.h"

namespace ivshmem::server {
namespace {

constexpr int kTries = 16;

std::string LockPath(const std::string& path) {
  return absl::StrCat(path, ".lock");
}

bool SameFile(const struct stat& a, const struct stat& b) {
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

// Locks the file beside the socket, which is made if there is none.
absl::StatusOr<UniqueFd> LockFor(const std::string& socket_path) {
  const std::string path = LockPath(socket_path);
  for (int i = 0; i < kTries; ++i) {
    UniqueFd fd(
        open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.valid()) return absl::ErrnoToStatus(errno, path);
    if (flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) return absl::ErrnoToStatus(errno, path);
      return absl::AlreadyExistsError(
          absl::StrFormat("%s: another server serves it (it has locked %s)",
                          socket_path, path));
    }
    // Who held it before removes the file, and another may have made it anew:
    // only the lock of the file that is there now counts.
    struct stat held;
    struct stat there;
    if (fstat(fd.get(), &held) == 0 && lstat(path.c_str(), &there) == 0 &&
        SameFile(held, there)) {
      return fd;
    }
  }
  return absl::UnavailableError(
      absl::StrCat(path, ": is made and removed all the time"));
}

// What a socket address says of `path`; nullopt if that is too long.
std::optional<sockaddr_un> AddressOf(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof(address.sun_path)) return std::nullopt;
  std::copy(path.begin(), path.end(), address.sun_path);
  return address;
}

// Whether a socket is bound to the file at `path`. To connect to a server in
// order to see would have side effects (QEMU's ends when its client leaves at
// once); a datagram socket is told that the type is wrong, and nobody notices.
bool Served(const std::string& path) {
  const std::optional<sockaddr_un> address = AddressOf(path);
  const UniqueFd probe(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!address.has_value() || !probe.valid()) return true;
  return connect(probe.get(), reinterpret_cast<const sockaddr*>(&*address),
                 sizeof(*address)) == 0 ||
         errno != ECONNREFUSED;
}

// Removes the file of a socket that nobody serves.
absl::Status RemoveStale(const std::string& path) {
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) {
    if (errno == ENOENT) return absl::OkStatus();
    return absl::ErrnoToStatus(errno, path);
  }
  if (!S_ISSOCK(file.st_mode)) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": expected a socket or nothing, got another file"));
  }
  if (Served(path)) {
    return absl::AlreadyExistsError(
        absl::StrCat(path, ": another process serves this socket"));
  }
  if (unlink(path.c_str()) != 0 && errno != ENOENT) {
    return absl::ErrnoToStatus(errno, path);
  }
  return absl::OkStatus();
}

int Option(int socket, int option) {
  int value = -1;
  socklen_t size = sizeof(value);
  getsockopt(socket, SOL_SOCKET, option, &value, &size);
  return value;
}

}  // namespace

absl::StatusOr<ListeningSocket> ListeningSocket::Listen(const std::string& path,
                                                        mode_t mode) {
  if (!AddressOf(path).has_value() || path.empty()) {
    return absl::InvalidArgumentError(
        absl::StrFormat("socket path: expected 1 to %d bytes, got %d: '%s'",
                        sizeof(sockaddr_un::sun_path) - 1, path.size(), path));
  }
  absl::StatusOr<UniqueFd> lock = LockFor(path);
  if (!lock.ok()) return lock.status();
  ListeningSocket listening;
  listening.lock_ = *std::move(lock);
  listening.path_ = path;  // From here on the lock's file goes with the object.
  const absl::Status removed = RemoveStale(path);
  if (!removed.ok()) return removed;
  absl::StatusOr<UniqueFd> fd = unix_socket::Listen(path, mode);
  if (!fd.ok()) return fd.status();
  listening.fd_ = *std::move(fd);
  struct stat file;
  if (lstat(path.c_str(), &file) != 0) return absl::ErrnoToStatus(errno, path);
  listening.device_ = file.st_dev;
  listening.inode_ = file.st_ino;
  return listening;
}

absl::StatusOr<ListeningSocket> ListeningSocket::Adopt(UniqueFd fd) {
  sockaddr_un address = {};
  socklen_t size = sizeof(address);
  if (getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) !=
          0 ||
      address.sun_family != AF_UNIX ||
      Option(fd.get(), SO_TYPE) != SOCK_STREAM ||
      Option(fd.get(), SO_ACCEPTCONN) != 1) {
    return absl::InvalidArgumentError(
        absl::StrFormat("descriptor %d: expected a listening UNIX stream "
                        "socket, got something else",
                        fd.get()));
  }
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "listening socket");
  }
  ListeningSocket listening;
  listening.fd_ = std::move(fd);
  constexpr size_t kStart = offsetof(sockaddr_un, sun_path);
  if (size > kStart && address.sun_path[0] != '\0') {
    listening.path_.assign(address.sun_path,
                           strnlen(address.sun_path, size - kStart));
  }
  return listening;
}

ListeningSocket::~ListeningSocket() {
  if (!lock_.valid()) return;
  struct stat file;
  if (fd_.valid() && lstat(path_.c_str(), &file) == 0 &&
      file.st_dev == device_ && file.st_ino == inode_) {
    unlink(path_.c_str());
  }
  // While it is locked, nobody else makes it his.
  struct stat held;
  if (fstat(lock_.get(), &held) == 0 &&
      lstat(LockPath(path_).c_str(), &file) == 0 && SameFile(held, file)) {
    unlink(LockPath(path_).c_str());
  }
}

}  // namespace ivshmem::server
