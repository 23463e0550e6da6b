// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_DEFERRAL_ALARM_H_
#define IVSHMEM_DEVICE_DEFERRAL_ALARM_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "backends/timers.h"
#include "core/clock.h"
#include "core/device.h"
#include "core/revocable.h"

namespace ivshmem {

// Brings a device its deferred interrupts by a timer of the host's.
//
// Threading: Set() from any thread, once Start() has returned.
class DeferralAlarm final : public Alarm {
 public:
  DeferralAlarm() = default;
  DeferralAlarm(const DeferralAlarm&) = delete;
  DeferralAlarm& operator=(const DeferralAlarm&) = delete;

  // Before anybody can interrupt `device`. `timers` outlives the object.
  // Errors: what `timers` says.
  absl::Status Start(Device& device, Timers& timers);

  // Before the device goes: when this returns, no other thread is in it from
  // here, and none will be. The alarm itself goes after the device, which may
  // set it until then.
  void Stop() {
    if (device_ != nullptr) device_->Revoke();
  }

  void Set(int64_t nanoseconds) noexcept override;

 private:
  std::shared_ptr<Revocable<Device>> device_;
  std::unique_ptr<Timer> timer_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_DEFERRAL_ALARM_H_
