// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/stop.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

namespace ivshmem::tool {

absl::StatusOr<Stop> Stop::OnSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "signalfd");
  return Stop(std::move(fd));
}

Stop::Stop(UniqueFd signals)
    : signals_(std::move(signals)), requested_(std::make_unique<bool>(false)) {}

absl::Status Stop::Watch(EventLoop& loop) {
  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch = loop.NewWatch(
      signals_.get(), EPOLLIN,
      [requested = requested_.get()](uint32_t) { *requested = true; });
  if (!watch.ok()) return watch.status();
  signal_watch_ = *std::move(watch);
  return absl::OkStatus();
}

absl::Status Stop::WatchInput(EventLoop& loop) {
  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch = loop.NewWatch(
      STDIN_FILENO, EPOLLIN, [requested = requested_.get()](uint32_t) {
        std::array<char, 4096> ignored;
        if (read(STDIN_FILENO, ignored.data(), ignored.size()) <= 0) {
          *requested = true;
        }
      });
  if (!watch.ok()) {
    // Of a file there is nothing to wait for (EPERM), and of none neither.
    *requested_ = true;
    return absl::OkStatus();
  }
  input_watch_ = *std::move(watch);
  return absl::OkStatus();
}

}  // namespace ivshmem::tool
