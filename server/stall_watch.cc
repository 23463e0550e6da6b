// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/stall_watch.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "server/clock.h"

namespace ivshmem::server {
namespace {

constexpr absl::Duration kPeriod = absl::Milliseconds(250);

// How long the kernel's refusal has to last, and a client to read nothing.
constexpr absl::Duration kPressure = absl::Seconds(1);

}  // namespace

absl::StatusOr<std::unique_ptr<StallWatch>> StallWatch::Create(
    EventLoop& loop, Clients& clients, const Delivery& delivery,
    absl::Duration timeout, Gone gone) {
  auto watch = absl::WrapUnique(
      new StallWatch(clients, delivery, timeout, std::move(gone)));
  auto timer = loop.NewTimer([self = watch.get()] { self->Look(); });
  if (!timer.ok()) return timer.status();
  watch->timer_ = *std::move(timer);
  return watch;
}

StallWatch::StallWatch(Clients& clients, const Delivery& delivery,
                       absl::Duration timeout, Gone gone)
    : clients_(clients),
      delivery_(delivery),
      timeout_(timeout),
      gone_(std::move(gone)) {}

void StallWatch::Wake() {
  if (looking_) return;
  const absl::Time now = MonotonicNow();
  for (auto& [peer, client] : clients_) {
    looking_ = looking_ || client->waits();
  }
  if (!looking_) return;
  // What they did while nobody looked is not known.
  for (auto& [peer, client] : clients_) {
    client->Sample(now);
    client->set_progress(now);
  }
  timer_->Set(Period());
}

absl::Duration StallWatch::Period() const {
  return std::min(kPeriod, timeout_ / 4);
}

void StallWatch::Look() {
  const absl::Time now = MonotonicNow();
  const absl::Duration period = Period();
  std::vector<PeerId> stalled;
  looking_ = false;
  for (auto& [peer, client] : clients_) {
    client->Sample(now);
    if (!client->waits()) continue;
    looking_ = true;
    if (client->turn() == Client::Turn::kFull &&
        now - client->progress() >= period / 2) {
      client->GiveRoom();
    }
    if (now - client->progress() >= timeout_) stalled.push_back(peer);
  }
  for (const PeerId peer : stalled) gone_(peer, Departure::kStalled);

  const auto pressed = delivery_.pressed_since();
  if (pressed.has_value() && now - *pressed >= kPressure &&
      now - last_hoarder_ >= kPressure) {
    if (const auto hoarder = Hoarder(now - kPressure)) {
      last_hoarder_ = now;
      gone_(*hoarder, Departure::kHoarded);
    }
  }
  if (looking_) timer_->Set(period);
}

std::optional<PeerId> StallWatch::Hoarder(absl::Time since) const {
  std::optional<PeerId> hoarder;
  int most = 0;
  for (const auto& [peer, client] : clients_) {
    if (client->progress() > since || client->unread() <= most) continue;
    most = client->unread();
    hoarder = peer;
  }
  return hoarder;
}

}  // namespace ivshmem::server
