// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/deferral_alarm.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace ivshmem {

absl::Status DeferralAlarm::Start(Device& device, Timers& timers) {
  auto way = std::make_shared<Revocable<Device>>(device);
  absl::StatusOr<std::unique_ptr<Timer>> timer = timers.NewTimer(
      [way] { way->With([](Device& to) { to.DeliverDeferred(); }); });
  if (!timer.ok()) return timer.status();
  device_ = std::move(way);
  timer_ = *std::move(timer);
  return absl::OkStatus();
}

void DeferralAlarm::Set(int64_t nanoseconds) noexcept {
  timer_->Set(absl::Nanoseconds(nanoseconds));
}

}  // namespace ivshmem
