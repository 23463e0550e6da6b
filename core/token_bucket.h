// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_TOKEN_BUCKET_H_
#define IVSHMEM_CORE_TOKEN_BUCKET_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <limits>

#include "core/limits.h"

namespace ivshmem {

// Says whether something may happen now under a RateLimit. A bucket of `burst`
// tokens, full at first, into which a new one drops every 1/per_second.
//
// It keeps one number, the moment at which the bucket will be full if nobody
// takes from it: as many intervals lie between now and then as tokens are gone.
// Times are in nanoseconds of one clock. An interval is rounded up, so that the
// rate is never exceeded.
//
// Threading: any thread. Lock-free; a thread that loses a race to others goes
// round as often as there were tokens, at most.
class TokenBucket {
 public:
  // `limit` is limited, and CheckLimits() lets it pass.
  explicit TokenBucket(const RateLimit& limit)
      : interval_((kSecond + limit.per_second - 1) / limit.per_second),
        most_gone_((int64_t{limit.burst} - 1) * interval_) {}

  // Takes a token; false when there is none.
  bool Take(int64_t now) noexcept {
    int64_t full_at = full_at_.load(std::memory_order_relaxed);
    int64_t from;
    do {
      from = std::max(full_at, now);
      if (from - now > most_gone_) return false;
    } while (!full_at_.compare_exchange_weak(full_at, from + interval_,
                                             std::memory_order_relaxed));
    return true;
  }

  // How long it takes from `now` until there is a token; 0 when there is one.
  int64_t Wait(int64_t now) const noexcept {
    const int64_t full_at = full_at_.load(std::memory_order_relaxed);
    return std::max<int64_t>(0, std::max(full_at, now) - now - most_gone_);
  }

 private:
  static constexpr int64_t kSecond = 1'000'000'000;

  const int64_t interval_;
  const int64_t most_gone_;  // So long before it is full, one token is left.
  std::atomic<int64_t> full_at_{std::numeric_limits<int64_t>::min()};
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_TOKEN_BUCKET_H_
