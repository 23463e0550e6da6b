// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/in_flight.h"

#include <algorithm>
#include <iterator>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace ivshmem {
namespace {

// A ring takes about a microsecond: this is long for a call and short for a
// person.
constexpr int kPatience = 200;

}  // namespace

uint64_t InFlight::CallsOf(uint64_t epoch) const noexcept {
  uint64_t calls = 0;
  for (const Shard& shard : shards_) {
    calls += shard.calls[epoch & 1].load(std::memory_order_seq_cst);
  }
  return calls;
}

bool InFlight::Advance() {
  const uint64_t next = epoch_.load(std::memory_order_relaxed) + 1;
  if (CallsOf(next) != 0) return false;
  epoch_.store(next, std::memory_order_seq_cst);
  return true;
}

std::vector<InFlight::Retired> InFlight::TakeUnused() {
  // One step brings the epoch past everything retired so far. It is not made
  // while a call of the epoch before is left.
  Advance();
  const uint64_t epoch = epoch_.load(std::memory_order_relaxed);
  // Calls of epoch - 2 and before are over, or it would not be `epoch`.
  const uint64_t unused = CallsOf(epoch - 1) == 0 ? epoch : epoch - 1;
  const auto in_use = std::partition(
      retired_.begin(), retired_.end(),
      [unused](const Retired& retired) { return retired.epoch < unused; });
  std::vector<Retired> taken(std::make_move_iterator(retired_.begin()),
                             std::make_move_iterator(in_use));
  retired_.erase(retired_.begin(), in_use);
  return taken;
}

void InFlight::Retire(std::shared_ptr<const void> object) {
  bool inside = false;
  for (const Call* call = Call::innermost_; call != nullptr;
       call = call->outer_) {
    inside |= call->owner_ == this;
  }
  {
    absl::MutexLock lock(&mutex_);
    retired_.push_back(
        {epoch_.load(std::memory_order_relaxed), std::move(object)});
  }
  for (int turn = 0;; ++turn) {
    std::vector<Retired> unused;  // Destroyed after the lock is let go.
    {
      absl::MutexLock lock(&mutex_);
      unused = TakeUnused();
      if (retired_.empty() || inside || turn == kPatience) return;
    }
    std::this_thread::yield();
  }
}

void InFlight::Close() {
  for (Call* call = Call::innermost_; call != nullptr; call = call->outer_) {
    if (call->owner_ != this) continue;
    call->count_->fetch_sub(1, std::memory_order_seq_cst);
    call->owner_ = nullptr;
  }
  // Two steps, and every call that was under way is over.
  for (int steps = 0, turn = 0; steps < 2; ++turn) {
    {
      absl::MutexLock lock(&mutex_);
      if (Advance()) {
        ++steps;
        continue;
      }
    }
    if (turn < kPatience) {
      std::this_thread::yield();
    } else {
      absl::SleepFor(absl::Microseconds(100));
    }
  }
  std::vector<Retired> unused;
  absl::MutexLock lock(&mutex_);
  unused.swap(retired_);
}

}  // namespace ivshmem
