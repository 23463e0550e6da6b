// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/absences.h"

#include <algorithm>

#include "absl/memory/memory.h"
#include "server/clock.h"

namespace ivshmem::server {

absl::StatusOr<std::unique_ptr<Absences>> Absences::Create(
    EventLoop& loop, absl::AnyInvocable<void(PeerId)> over) {
  auto absences = absl::WrapUnique(new Absences(std::move(over)));
  auto timer = loop.NewTimer([self = absences.get()] { self->OnDue(); });
  if (!timer.ok()) return timer.status();
  absences->timer_ = *std::move(timer);
  return absences;
}

void Absences::Begin(PeerId peer, absl::Time until) {
  until_.emplace(peer, until);
  by_end_.emplace(until, peer);
  SetTimer();
}

bool Absences::End(PeerId peer) {
  const auto it = until_.find(peer);
  if (it == until_.end()) return false;
  by_end_.erase({it->second, peer});
  until_.erase(it);
  return true;
}

std::optional<PeerId> Absences::First() const {
  if (by_end_.empty()) return std::nullopt;
  return by_end_.begin()->second;
}

void Absences::OnDue() {
  const absl::Time now = MonotonicNow();
  while (!by_end_.empty() && by_end_.begin()->first <= now) {
    const PeerId peer = by_end_.begin()->second;
    End(peer);
    over_(peer);
  }
  SetTimer();
}

void Absences::SetTimer() {
  if (by_end_.empty()) return;
  timer_->Set(
      std::max(by_end_.begin()->first - MonotonicNow(), absl::ZeroDuration()));
}

}  // namespace ivshmem::server
