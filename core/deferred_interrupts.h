// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_DEFERRED_INTERRUPTS_H_
#define IVSHMEM_CORE_DEFERRED_INTERRUPTS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "core/clock.h"
#include "core/doorbell.h"
#include "core/limits.h"
#include "core/token_bucket.h"

namespace ivshmem {

// Peers' interrupts that came faster than a limit allows: one bit for each
// vector, and an alarm for as long as a bit is set. While there are some, those
// that come wait, too, and vectors take turns: a peer that rings one vector
// without end does not keep another's waiting.
//
// Threading: any thread, by several at once. No locks, no allocation, no
// unbounded loop.
class DeferredInterrupts {
 public:
  // `limit` is limited. `clock` and `alarm` outlive the object.
  DeferredInterrupts(const RateLimit& limit, int vectors, Clock& clock,
                     Alarm& alarm)
      : words_((vectors + kBits - 1) / kBits),
        bits_(new std::atomic<uint64_t>[words_]()),
        clock_(clock),
        alarm_(alarm),
        bucket_(limit) {}

  // Whether an interrupt of `vector`, which is below `vectors`, may be
  // delivered now. If not, it is kept.
  bool Admit(Vector vector) noexcept;

  // A vector that is kept and may be delivered now, and is kept no more. When
  // it gives none, all are delivered or the alarm is set; so whoever is told of
  // the alarm calls this until then, or calls Later().
  std::optional<Vector> Next() noexcept;

  // Sets the alarm for at once.
  void Later() noexcept { alarm_.Set(0); }

  // As Next(), whatever the limit.
  std::optional<Vector> TakeAny() noexcept;

 private:
  static constexpr uint32_t kBits = 64;

  void Keep(Vector vector) noexcept;
  bool Any() const noexcept;

  const uint32_t words_;
  const std::unique_ptr<std::atomic<uint64_t>[]> bits_;
  Clock& clock_;
  Alarm& alarm_;
  TokenBucket bucket_;
  // True from before the alarm is set until nothing was found kept: who sets a
  // bit and finds it true leaves the rest to whom the alarm tells.
  std::atomic<bool> deferring_{false};
  std::atomic<uint32_t> turn_{0};  // The vector that is looked at first.
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_DEFERRED_INTERRUPTS_H_
