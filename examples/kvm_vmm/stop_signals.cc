// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/kvm_vmm/stop_signals.h"

#include <sys/epoll.h>
#include <sys/signalfd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <utility>

#include "absl/status/status.h"

namespace ivshmem::kvm_vmm {

absl::StatusOr<StopSignals> StopSignals::Watch(
    EventLoop& loop, absl::AnyInvocable<void()> stop) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return absl::ErrnoToStatus(errno, "signalfd");
  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch =
      loop.NewWatch(fd.get(), EPOLLIN,
                    [stop = std::move(stop)](uint32_t) mutable { stop(); });
  if (!watch.ok()) return watch.status();
  return StopSignals(std::move(fd), *std::move(watch));
}

}  // namespace ivshmem::kvm_vmm
