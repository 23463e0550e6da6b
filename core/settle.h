// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_SETTLE_H_
#define IVSHMEM_CORE_SETTLE_H_

#include <atomic>
#include <cstdint>

namespace ivshmem {

// Brings something outside (a line's level, a BAR's mapping, a route) to what
// the device's state wants, one thread at a time and without a lock.
//
// Effects that are state must not be replayed as events: two vCPUs that change
// the state in one order could apply it in the other. So whoever changed the
// state calls Kick() with a function that reads the state as it is now and
// applies it. If another thread is applying already, that thread is made to go
// round once more and Kick() returns at once; so it does when `apply` itself
// leads back here. When the last Kick() has returned and no other is under way,
// what was applied last is the state's last value.
//
// The thread that applies goes round once for all kicks that came meanwhile. A
// guest whose other vCPUs kick without end keeps one of its own vCPUs here, and
// nobody else.
//
// Threading: any thread, and from inside `apply`.
class Settler {
 public:
  template <typename Apply>
  void Kick(Apply&& apply) noexcept {
    if (kicks_.fetch_add(1, std::memory_order_acq_rel) != 0) return;
    uint64_t seen;
    do {
      seen = kicks_.load(std::memory_order_acquire);
      seen_ = seen;
      apply();
    } while (!kicks_.compare_exchange_strong(seen, 0, std::memory_order_acq_rel,
                                             std::memory_order_acquire));
  }

  // For use by an `apply` that takes long: whether it will be called once more,
  // so that it may break off what it is at.
  bool stale() const noexcept {
    return kicks_.load(std::memory_order_acquire) != seen_;
  }

 private:
  std::atomic<uint64_t> kicks_{0};  // Since the last time all was applied.
  uint64_t seen_ = 0;  // Of these, by the round under way; its thread's own.
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_SETTLE_H_
