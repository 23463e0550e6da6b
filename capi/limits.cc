// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/limits.h"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "capi/errors.h"
#include "capi/options.h"
#include "core/doorbell.h"

namespace ivshmem::capi {
namespace {

constexpr size_t kMostAllowed = 65536;

RateLimit Rate(uint32_t per_second, uint32_t burst) {
  return {.per_second = per_second, .burst = burst != 0 ? burst : 1};
}

// -1 is any.
template <typename Number>
bool Take(int32_t given, int32_t most, std::optional<Number>& to) {
  if (given < -1 || given > most) return false;
  if (given >= 0) to = static_cast<Number>(given);
  return true;
}

}  // namespace

int CopyLimits(const ivshmem_limits* from, Limits& to) {
  to = {};
  if (from == nullptr) return 0;
  ivshmem_limits limits;
  if (const int error = CopyIn(from, "limits", limits); error != 0) {
    return error;
  }
  to.rings = Rate(limits.rings_per_second, limits.rings_burst);
  to.interrupts = Rate(limits.interrupts_per_second, limits.interrupts_burst);
  if (limits.may_ring_count > (limits.may_ring != nullptr ? kMostAllowed : 0)) {
    return Fail(EINVAL,
                absl::StrFormat("limits.may_ring_count: expected at most %d, "
                                "or 0 without may_ring, got %d",
                                kMostAllowed, limits.may_ring_count));
  }
  if (limits.may_ring == nullptr) return 0;
  std::vector<AllowedRings>& may_ring = to.may_ring.emplace();
  for (const ivshmem_allowed_rings& each :
       absl::MakeConstSpan(limits.may_ring, limits.may_ring_count)) {
    AllowedRings& allowed = may_ring.emplace_back();
    if (Take(each.peer, kMaxPeers - 1, allowed.peer) &&
        Take(each.vector, kMaxVectors - 1, allowed.vector)) {
      continue;
    }
    return Fail(EINVAL,
                absl::StrFormat("limits.may_ring[%d]: expected a peer of "
                                "-1..%d and a vector of -1..%d, got %d and %d",
                                may_ring.size() - 1, kMaxPeers - 1,
                                kMaxVectors - 1, each.peer, each.vector));
  }
  return 0;
}

}  // namespace ivshmem::capi
