// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_ABSENCES_H_
#define IVSHMEM_SERVER_ABSENCES_H_

#include <memory>
#include <optional>
#include <utility>

#include "absl/container/btree_map.h"
#include "absl/container/btree_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "core/doorbell.h"

namespace ivshmem::server {

// Which clients are away, and until when they may come back.
//
// Threading: the loop's thread.
class Absences {
 public:
  // `over` is called for each whose time is over; it is not away any more then.
  static absl::StatusOr<std::unique_ptr<Absences>> Create(
      EventLoop& loop, absl::AnyInvocable<void(PeerId)> over);

  // `peer`, who is not away, is from now on, until `until` (MonotonicNow()).
  void Begin(PeerId peer, absl::Time until);

  // `peer` is not away any more. Returns whether it was.
  bool End(PeerId peer);

  // Whose time is over first; nullopt when nobody is away.
  std::optional<PeerId> First() const;

 private:
  explicit Absences(absl::AnyInvocable<void(PeerId)> over)
      : over_(std::move(over)) {}

  void OnDue();
  void SetTimer();

  absl::AnyInvocable<void(PeerId)> over_;
  std::unique_ptr<EventLoop::Timer> timer_;
  absl::btree_map<PeerId, absl::Time> until_;
  absl::btree_set<std::pair<absl::Time, PeerId>> by_end_;
};

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_ABSENCES_H_
