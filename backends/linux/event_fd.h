// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_EVENT_FD_H_
#define IVSHMEM_BACKENDS_LINUX_EVENT_FD_H_

#include <atomic>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/linux/unique_fd.h"
#include "core/notifier.h"

namespace ivshmem {

// A vector carried by an eventfd: what a server hands out, and what KVM's
// ioeventfd and irqfd bind to.
//
// Threading: everything from any thread at once.
class EventFd : public Notifier {
 public:
  // A new one, non-blocking and closed on exec. Errors: what the kernel says.
  static absl::StatusOr<std::shared_ptr<EventFd>> Create();

  // One that came from elsewhere. Makes it non-blocking: the flag is the open
  // file's, so a peer that shares it can clear it again (see SECURITY.md).
  // Errors: InvalidArgument for a descriptor that is no eventfd, whose writes
  // might block or mean something else.
  static absl::StatusOr<std::shared_ptr<EventFd>> Adopt(UniqueFd fd);

  // Adds 1. kFull when the counter is at its limit; the reader has a signal
  // waiting then.
  Outcome Signal() noexcept override;

  // The descriptor. The object keeps it open.
  EventHandle event() const noexcept override { return {fd_.get()}; }
  int fd() const { return fd_.get(); }

  // Takes all signals at once, as a peer's interrupt: returns whether there
  // were any. Does not wait, even if a peer has cleared O_NONBLOCK. While
  // signals are held there are none, though the descriptor is readable; while
  // they are dropped they are taken, and there are none.
  // (Of an eventfd that its maker made a semaphore: one at a time.)
  bool Drain() noexcept;
  bool TakeSignals() noexcept override { return Drain(); }

  void HoldSignals() noexcept override;
  void ReleaseSignals(bool sent) noexcept override;
  void DropSignals(bool drop) noexcept override;

 private:
  explicit EventFd(UniqueFd fd) : fd_(std::move(fd)) {}

  bool Take() noexcept;

  const UniqueFd fd_;
  std::atomic<bool> held_{false};
  std::atomic<bool> dropped_{false};  // Changes only while held.
  std::atomic<int> takers_{0};        // Threads in Drain().
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_EVENT_FD_H_
