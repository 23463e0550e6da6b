// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/deferred_interrupts.h"

#include <bit>

namespace ivshmem {

// The bits and `deferring_` are changed in sequentially consistent order: who
// keeps a vector sets its bit and then asks whether somebody will look; who
// stops looking says so and then looks once more.

bool DeferredInterrupts::Admit(Vector vector) noexcept {
  const int64_t now = clock_.Now();
  if (!deferring_.load() && bucket_.Take(now)) return true;
  Keep(vector);
  if (!deferring_.exchange(true)) alarm_.Set(bucket_.Wait(now));
  return false;
}

std::optional<Vector> DeferredInterrupts::Next() noexcept {
  const std::optional<Vector> vector = TakeAny();
  if (!vector.has_value()) {
    deferring_.store(false);
    // One that was kept in between was left to this thread.
    if (Any() && !deferring_.exchange(true)) Later();
    return std::nullopt;
  }
  const int64_t now = clock_.Now();
  if (bucket_.Take(now)) return vector;
  Keep(*vector);
  turn_.store(*vector, std::memory_order_relaxed);
  deferring_.store(true);
  alarm_.Set(bucket_.Wait(now));
  return std::nullopt;
}

std::optional<Vector> DeferredInterrupts::TakeAny() noexcept {
  const uint32_t turn = turn_.load(std::memory_order_relaxed);
  const uint64_t from_turn = ~uint64_t{0} << turn % kBits;
  // The turn's word comes once more at the end, for what is before the turn.
  for (uint32_t i = 0; i <= words_; ++i) {
    const uint32_t word = (turn / kBits + i) % words_;
    uint64_t bits = bits_[word].load() & (i == 0 ? from_turn : ~uint64_t{0});
    for (; bits != 0; bits &= bits - 1) {
      const uint64_t bit = bits & -bits;
      if ((bits_[word].fetch_and(~bit) & bit) == 0) continue;
      const uint32_t vector = word * kBits + std::countr_zero(bit);
      turn_.store(vector + 1, std::memory_order_relaxed);
      return static_cast<Vector>(vector);
    }
  }
  return std::nullopt;
}

void DeferredInterrupts::Keep(Vector vector) noexcept {
  bits_[vector / kBits].fetch_or(uint64_t{1} << vector % kBits);
}

bool DeferredInterrupts::Any() const noexcept {
  for (uint32_t word = 0; word < words_; ++word) {
    if (bits_[word].load() != 0) return true;
  }
  return false;
}

}  // namespace ivshmem
