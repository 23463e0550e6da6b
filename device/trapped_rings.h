// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_TRAPPED_RINGS_H_
#define IVSHMEM_DEVICE_TRAPPED_RINGS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/functional/any_invocable.h"
#include "core/doorbell.h"
#include "core/events.h"
#include "core/peer_table.h"

namespace ivshmem {

// Notices which doorbells a guest rings often on the trapped path, while the
// hypervisor has no room for all. What the hypervisor rings by itself nobody
// counts; so a doorbell that is rung often takes a turn in the place of the one
// that has had its place longest, and if that was a mistake, the other is soon
// noticed here itself.
//
// Counts are kept by a hash of the doorbell: two that share a count share a
// turn, no harm beyond that.
//
// It hears of rings as all do, by the device's events, and hands these on.
//
// Threading: any thread; no locks.
class TrappedRings : public DeviceEvents {
 public:
  // A turn costs two changes of the hypervisor's, of some ten microseconds
  // each, and this many exits cost near a millisecond: however a guest rings,
  // turns take few per cent.
  static constexpr uint32_t kOften = 64;

  // `next` gets all events; it may be null, or outlives the object.
  explicit TrappedRings(DeviceEvents* next) : next_(next) {}

  // Calls `due` when it is time for a turn. Set before the guest runs.
  void OnDue(absl::AnyInvocable<void() const> due) { on_due_ = std::move(due); }

  // Rings count from now on, or no more.
  void Watch(bool watch) noexcept { watch_ = watch; }

  void OnEvent(const DeviceEvent& event) noexcept override {
    if (watch_.load(std::memory_order_relaxed) &&
        event.kind == DeviceEvent::Kind::kRing &&
        event.ring == RingResult::kDelivered && Count(event.doorbell)) {
      on_due_();
    }
    if (next_ != nullptr) next_->OnEvent(event);
  }

  // The doorbell whose turn it is; nullopt when there is none. One at a time:
  // another that was due as well will be rung again.
  std::optional<Doorbell> TakeDue() noexcept {
    const uint64_t due = due_.exchange(0, std::memory_order_acquire);
    if (due == 0) return std::nullopt;
    return Doorbell::Decode(static_cast<uint32_t>(due));
  }

 private:
  static constexpr size_t kCounts = 1024;
  static constexpr uint64_t kSome = uint64_t{1} << 32;

  static size_t Hash(Doorbell doorbell) {
    return (doorbell.Encode() * uint32_t{0x9e3779b1}) >> 22;
  }

  // True when it is time for a turn.
  bool Count(Doorbell doorbell) noexcept {
    std::atomic<uint32_t>& count = counts_[Hash(doorbell)];
    if (count.fetch_add(1, std::memory_order_relaxed) + 1 < kOften) {
      return false;
    }
    count.store(0, std::memory_order_relaxed);
    due_.store(kSome | doorbell.Encode(), std::memory_order_release);
    return true;
  }

  DeviceEvents* const next_;
  absl::AnyInvocable<void() const> on_due_ = [] {};
  std::atomic<bool> watch_{false};
  std::atomic<uint64_t> due_{0};
  std::array<std::atomic<uint32_t>, kCounts> counts_ = {};
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_TRAPPED_RINGS_H_
