// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_IN_FLIGHT_H_
#define IVSHMEM_CORE_IN_FLIGHT_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "core/shards.h"

namespace ivshmem {

// The calls out of an object that are under way: rings and interrupts. It keeps
// alive what they use, and lets the object's owner wait for them.
//
// A caller opens a Call on its stack; that costs two additions to a counter of
// its thread's shard, no lock, and nobody can hold it up. What a call may be
// using is never destroyed but retired, and goes when the calls that were under
// way have ended.
//
// Threading: any thread. Calls nest: what is called may open another one, or
// retire, or close.
class InFlight {
 public:
  class Call;

  InFlight() = default;
  ~InFlight() { Close(); }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

  // Destroys `object`, which no new call can reach any more, when no call can
  // still be using it: before this returns when there is none, else while a
  // later Retire() or Close() runs. It waits a moment for short calls of other
  // threads but never for a stuck one, nor for one of this thread.
  void Retire(std::shared_ptr<const void> object) ABSL_LOCKS_EXCLUDED(mutex_);

  // Waits for the calls of other threads that are under way, and abandons those
  // of this thread (Call::abandoned()): afterwards none of these uses anything
  // of the owner. Calls that begin meanwhile do not hold it up without end: of
  // those at most the ones are waited for that begin before it has taken its
  // first step. The owner sees to it that they find nothing. Two threads that
  // close, each from inside a call, what the other's call is in would wait for
  // each other for ever.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Calls are counted by the parity of the epoch in which they began. The epoch
  // moves on only when no call of the one before is left, so what was retired
  // in an epoch is free of use when that epoch is past and empty.
  struct alignas(kCacheLine) Shard {
    std::array<std::atomic<uint64_t>, 2> calls = {};
  };
  struct Retired {
    uint64_t epoch;
    std::shared_ptr<const void> object;
  };

  uint64_t CallsOf(uint64_t epoch) const noexcept;
  // Moves the epoch on if no call of the one before is left.
  bool Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // Moves out what no call can be using any more.
  std::vector<Retired> TakeUnused() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<uint64_t> epoch_{0};
  std::array<Shard, kShards> shards_;
  absl::Mutex mutex_;
  std::vector<Retired> retired_ ABSL_GUARDED_BY(mutex_);
};

// A call that is under way, on the stack of the thread that makes it.
class InFlight::Call {
 public:
  explicit Call(InFlight& owner) noexcept
      : owner_(&owner), count_(Enter(owner)), outer_(innermost_) {
    innermost_ = this;
  }
  ~Call() {
    innermost_ = outer_;
    if (!abandoned()) count_->fetch_sub(1, std::memory_order_seq_cst);
  }
  Call(const Call&) = delete;
  Call& operator=(const Call&) = delete;

  // The owner was closed from inside this call: nothing of it may be touched.
  bool abandoned() const noexcept { return owner_ == nullptr; }

 private:
  friend class InFlight;

  static std::atomic<uint64_t>* Enter(InFlight& owner) noexcept {
    Shard& shard = owner.shards_[ThreadShard()];
    while (true) {
      const uint64_t epoch = owner.epoch_.load(std::memory_order_seq_cst);
      std::atomic<uint64_t>& count = shard.calls[epoch & 1];
      count.fetch_add(1, std::memory_order_seq_cst);
      // If the epoch moved in between, whoever moved it may not have seen this
      // call. It moves only when something is retired.
      if (owner.epoch_.load(std::memory_order_seq_cst) == epoch) return &count;
      count.fetch_sub(1, std::memory_order_seq_cst);
    }
  }

  IVSHMEM_FAST_THREAD_LOCAL static constinit inline thread_local Call*
      innermost_ = nullptr;

  InFlight* owner_;
  std::atomic<uint64_t>* count_;
  Call* outer_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_IN_FLIGHT_H_
