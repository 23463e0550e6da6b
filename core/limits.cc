// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/limits.h"

#include <algorithm>

#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace ivshmem {
namespace {

// No peer and no vector has this number.
constexpr uint64_t kAny = 0x10000;

constexpr uint64_t Key(uint64_t peer, uint64_t vector) {
  return peer << 32 | vector;
}

absl::Status CheckRate(absl::string_view field, const RateLimit& rate) {
  if (rate.per_second > RateLimit::kMost) {
    return absl::InvalidArgumentError(
        absl::StrFormat("limits.%s.per_second: expected 0..%d, got %d", field,
                        RateLimit::kMost, rate.per_second));
  }
  if (rate.limited() && (rate.burst < 1 || rate.burst > RateLimit::kMost)) {
    return absl::InvalidArgumentError(
        absl::StrFormat("limits.%s.burst: expected 1..%d, got %d", field,
                        RateLimit::kMost, rate.burst));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckLimits(const Limits& limits) {
  for (const absl::Status& status :
       {CheckRate("rings", limits.rings),
        CheckRate("interrupts", limits.interrupts)}) {
    if (!status.ok()) return status;
  }
  if (!limits.may_ring.has_value()) return absl::OkStatus();
  for (size_t i = 0; i < limits.may_ring->size(); ++i) {
    const std::optional<Vector> vector = (*limits.may_ring)[i].vector;
    if (vector.has_value() && *vector >= kMaxVectors) {
      return absl::InvalidArgumentError(
          absl::StrFormat("limits.may_ring[%d].vector: expected 0..%d, got %d",
                          i, kMaxVectors - 1, *vector));
    }
  }
  return absl::OkStatus();
}

RingAllowList::RingAllowList(absl::Span<const AllowedRings> allowed) {
  keys_.reserve(allowed.size());
  for (const AllowedRings& rings : allowed) {
    keys_.push_back(Key(rings.peer.has_value() ? *rings.peer : kAny,
                        rings.vector.has_value() ? *rings.vector : kAny));
  }
  std::sort(keys_.begin(), keys_.end());
}

bool RingAllowList::Allows(Doorbell doorbell) const noexcept {
  for (const uint64_t key :
       {Key(doorbell.peer, doorbell.vector), Key(doorbell.peer, kAny),
        Key(kAny, doorbell.vector), Key(kAny, kAny)}) {
    if (std::binary_search(keys_.begin(), keys_.end(), key)) return true;
  }
  return false;
}

}  // namespace ivshmem
