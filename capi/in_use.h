// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_IN_USE_H_
#define IVSHMEM_CAPI_IN_USE_H_

#include <atomic>
#include <utility>

namespace ivshmem::capi {

// Counts who uses a handle that has to outlive them.
//
// Threading: any thread.
class InUse {
 public:
  // One user, or nobody. Moves; counts until it is destroyed.
  class Use {
   public:
    Use() = default;
    explicit Use(InUse& of) noexcept : of_(&of) {
      of.count_.fetch_add(1, std::memory_order_relaxed);
    }
    Use(Use&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    Use& operator=(Use&& other) noexcept {
      std::swap(of_, other.of_);
      return *this;
    }
    ~Use() {
      if (of_ != nullptr) of_->count_.fetch_sub(1, std::memory_order_release);
    }

   private:
    InUse* of_ = nullptr;
  };

  // Whether somebody does. When not, all that the users did is done.
  bool any() const noexcept {
    return count_.load(std::memory_order_acquire) != 0;
  }

 private:
  std::atomic<int> count_{0};
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_IN_USE_H_
