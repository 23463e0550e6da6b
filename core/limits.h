// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_LIMITS_H_
#define IVSHMEM_CORE_LIMITS_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "core/doorbell.h"

namespace ivshmem {

// How often something may happen: in any time of t seconds no more than
// per_second * t + burst times.
struct RateLimit {
  static constexpr uint32_t kMost = 1'000'000;

  uint32_t per_second = 0;  // 1..kMost; 0 for no limit.
  uint32_t burst = 1;       // 1..kMost.

  constexpr bool limited() const { return per_second != 0; }
  friend bool operator==(const RateLimit&, const RateLimit&) = default;
};

// Doorbells that a guest may ring. What is absent may be any.
struct AllowedRings {
  std::optional<PeerId> peer;
  std::optional<Vector> vector;

  friend bool operator==(const AllowedRings&, const AllowedRings&) = default;
};

// What a device does for its neighbours, or against them (docs/adr/0012). Off
// unless asked for. Not a part of its state: guests cannot see it.
struct Limits {
  // Rings that leave the device. One above the rate is lost and counted
  // (RingResult::kOverRate). A ring that reaches nobody counts as well.
  RateLimit rings;
  // Interrupts that peers send. One above the rate comes later, merged with
  // others of its vector (InterruptResult::kDeferred).
  RateLimit interrupts;
  // Whom the guest may ring; absent: everybody. Other rings are lost and
  // counted (RingResult::kNotAllowed). The device's own id is a peer as any
  // other.
  std::optional<std::vector<AllowedRings>> may_ring;

  friend bool operator==(const Limits&, const Limits&) = default;
};

// Errors: InvalidArgument that names the field ("limits.rings.burst"), what was
// expected and what came.
absl::Status CheckLimits(const Limits& limits);

// Limits::may_ring, made for looking things up.
//
// Threading: any thread.
class RingAllowList {
 public:
  explicit RingAllowList(absl::Span<const AllowedRings> allowed);

  // In time that grows with the logarithm of the list's length.
  bool Allows(Doorbell doorbell) const noexcept;

 private:
  std::vector<uint64_t> keys_;  // Sorted.
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_LIMITS_H_
