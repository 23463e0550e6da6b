// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/ports.h"

#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"

namespace ivshmem::xen {

absl::StatusOr<std::unique_ptr<Ports>> Ports::Create(EventChannels& channels) {
  absl::StatusOr<std::shared_ptr<EventFd>> stop = EventFd::Create();
  if (!stop.ok()) return stop.status();
  return absl::WrapUnique(new Ports(channels, *std::move(stop)));
}

Ports::~Ports() {
  for (const int port : local_) {
    channels_.Unbind(static_cast<uint32_t>(port));
  }
}

absl::Status Ports::Bind(uint32_t remote) {
  const int local = channels_.Bind(remote);
  if (local < 0) {
    return CallError(
        local, absl::StrFormat("binding event channel %d of vCPU %d", remote,
                               local_.size()));
  }
  local_.push_back(local);
  return absl::OkStatus();
}

absl::Status Ports::WaitUntil(absl::FunctionRef<bool()> ready) {
  std::array<pollfd, 2> fds = {
      pollfd{.fd = stop_->fd(), .events = POLLIN, .revents = 0},
      pollfd{.fd = channels_.EventDescriptor(), .events = POLLIN, .revents = 0},
  };
  while (true) {
    if (stopped_.load(std::memory_order_relaxed)) {
      return absl::CancelledError("stopped");
    }
    if (ready()) return absl::OkStatus();
    if (poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return absl::ErrnoToStatus(errno, "waiting for event channels");
    }
    if (fds[0].revents != 0) continue;
    if ((fds[1].revents & POLLIN) != 0) {
      absl::Status status = TakeEvent();
      if (!status.ok()) return status;
    } else if (fds[1].revents != 0) {
      return absl::InternalError(absl::StrFormat(
          "the descriptor of the event channels has failed: poll events %#x",
          fds[1].revents));
    }
  }
}

absl::Status Ports::TakeEvent() {
  const int port = channels_.Pending();
  if (port == -EAGAIN || port == -EINTR) return absl::OkStatus();
  if (port < 0) return CallError(port, "taking an event");
  // What is not ours stays masked, and comes no second time.
  if (std::find(local_.begin(), local_.end(), port) == local_.end()) {
    return absl::OkStatus();
  }
  // Before anybody looks for requests: one that comes after that look is an
  // event again.
  const int result = channels_.Unmask(static_cast<uint32_t>(port));
  if (result < 0) {
    return CallError(result,
                     absl::StrFormat("unmasking event channel %d", port));
  }
  return absl::OkStatus();
}

void Ports::Stop() noexcept {
  stopped_.store(true, std::memory_order_relaxed);
  stop_->Signal();
}

void Ports::Notify(int vcpu) noexcept {
  if (static_cast<size_t>(vcpu) >= local_.size()) return;
  channels_.Notify(static_cast<uint32_t>(local_[vcpu]));
}

}  // namespace ivshmem::xen
