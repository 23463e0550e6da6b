// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_MILLISECONDS_H_
#define IVSHMEM_CAPI_MILLISECONDS_H_

#include <cstdint>

#include "absl/time/time.h"

namespace ivshmem::capi {

// A time to wait as the interface gives it: less than 0 is for ever.
inline absl::Duration Milliseconds(int64_t timeout) {
  return timeout < 0 ? absl::InfiniteDuration() : absl::Milliseconds(timeout);
}

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_MILLISECONDS_H_
