// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/event_fd.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace ivshmem {
namespace {

// The kernel's name for what `fd` is; "" without /proc.
std::string KindOf(int fd) {
  char target[64];
  const ssize_t length = readlink(
      absl::StrFormat("/proc/self/fd/%d", fd).c_str(), target, sizeof(target));
  return length < 0 ? "" : std::string(target, length);
}

}  // namespace

absl::StatusOr<std::shared_ptr<EventFd>> EventFd::Create() {
  UniqueFd fd(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "new eventfd");
  return absl::WrapUnique(new EventFd(std::move(fd)));
}

absl::StatusOr<std::shared_ptr<EventFd>> EventFd::Adopt(UniqueFd fd) {
  struct stat status;
  if (fstat(fd.get(), &status) != 0) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "event: expected an eventfd, got descriptor %d, which is not open",
        fd.get()));
  }
  std::string kind = KindOf(fd.get());
  bool is_eventfd = kind == "anon_inode:[eventfd]";
  if (kind.empty()) {
    // Of all that has no type a write at least waits for nobody once it is
    // non-blocking.
    kind = absl::StrFormat("mode %o", status.st_mode);
    is_eventfd = (status.st_mode & S_IFMT) == 0;
  }
  if (!is_eventfd) {
    return absl::InvalidArgumentError(
        absl::StrFormat("event: expected an eventfd, got %s", kind));
  }
  const int flags = fcntl(fd.get(), F_GETFL);
  if (flags < 0 || fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "event: set O_NONBLOCK, FD_CLOEXEC");
  }
  return absl::WrapUnique(new EventFd(std::move(fd)));
}

Notifier::Outcome EventFd::Signal() noexcept {
  const uint64_t one = 1;
  ssize_t written;
  do {
    written = write(fd_.get(), &one, sizeof(one));
  } while (written < 0 && errno == EINTR);
  if (written == sizeof(one)) return Outcome::kSignalled;
  return written < 0 && errno == EAGAIN ? Outcome::kFull : Outcome::kFailed;
}

bool EventFd::Drain() noexcept {
  // Each side says what it is about to do and then looks at the other: one of
  // them at least sees the other (all of it is seq_cst).
  ++takers_;
  const bool taken = !held_ && Take() && !dropped_;
  --takers_;
  return taken;
}

void EventFd::HoldSignals() noexcept {
  held_ = true;
  while (takers_ != 0) std::this_thread::yield();
}

void EventFd::ReleaseSignals(bool sent) noexcept {
  if (sent) Take();
  held_ = false;
}

void EventFd::DropSignals(bool drop) noexcept {
  if (drop) Take();
  dropped_ = drop;
}

bool EventFd::Take() noexcept {
  uint64_t signals;
  iovec data = {.iov_base = &signals, .iov_len = sizeof(signals)};
  ssize_t got;
  do {
    // Does not wait, whatever the shared flag says: QEMU clears it in each
    // event that it receives, and sets it again in those that it keeps.
    got = preadv2(fd_.get(), &data, 1, -1, RWF_NOWAIT);
    // Linux before 5.8.
    if (got < 0 && errno == EOPNOTSUPP) got = readv(fd_.get(), &data, 1);
  } while (got < 0 && errno == EINTR);
  return got == sizeof(signals);
}

}  // namespace ivshmem
