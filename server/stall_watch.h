// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_STALL_WATCH_H_
#define IVSHMEM_SERVER_STALL_WATCH_H_

#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "core/doorbell.h"
#include "server/client.h"
#include "server/delivery.h"
#include "server/events.h"

namespace ivshmem::server {

// Finds clients that have to go because they do not read:
//   - who is owed messages and made no progress for the stall timeout;
//   - when the kernel has refused descriptors for a second, of those who made
//     no progress in that second the one that leaves the most unread. It may
//     be what starves the others.
//
// Threading: the loop's thread.
class StallWatch {
 public:
  using Gone = absl::AnyInvocable<void(PeerId, Departure)>;

  // `clients` and `delivery` are the caller's and outlive this. `gone` takes
  // the client out of `clients`.
  static absl::StatusOr<std::unique_ptr<StallWatch>> Create(
      EventLoop& loop, Clients& clients, const Delivery& delivery,
      absl::Duration timeout, Gone gone);

  // Some client may have begun to wait.
  void Wake();

 private:
  StallWatch(Clients& clients, const Delivery& delivery, absl::Duration timeout,
             Gone gone);

  void Look();
  absl::Duration Period() const;
  // Who left the most unread and made no progress since `since`.
  std::optional<PeerId> Hoarder(absl::Time since) const;

  Clients& clients_;
  const Delivery& delivery_;
  const absl::Duration timeout_;
  Gone gone_;
  std::unique_ptr<EventLoop::Timer> timer_;
  bool looking_ = false;
  absl::Time last_hoarder_ = absl::InfinitePast();
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_STALL_WATCH_H_
