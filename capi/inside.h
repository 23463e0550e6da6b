// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_INSIDE_H_
#define IVSHMEM_CAPI_INSIDE_H_

#include "core/shards.h"

namespace ivshmem::capi {

// Says, as long as it lives, that this thread is inside something that may not
// destroy `handle`. So a callback that tries to gets an error instead of a use
// after free.
class Inside {
 public:
  explicit Inside(const void* handle) noexcept
      : handle_(handle), outer_(innermost_) {
    innermost_ = this;
  }
  ~Inside() { innermost_ = outer_; }
  Inside(const Inside&) = delete;
  Inside& operator=(const Inside&) = delete;

  static bool Of(const void* handle) noexcept {
    for (const Inside* each = innermost_; each != nullptr;
         each = each->outer_) {
      if (each->handle_ == handle) return true;
    }
    return false;
  }

 private:
  IVSHMEM_FAST_THREAD_LOCAL static constinit inline thread_local const Inside*
      innermost_ = nullptr;

  const void* const handle_;
  const Inside* const outer_;
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_INSIDE_H_
