// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_CLOCK_H_
#define IVSHMEM_SERVER_CLOCK_H_

#include <chrono>

#include "absl/time/time.h"

namespace ivshmem::server {

// A time that nobody sets back or forth; only differences mean anything.
inline absl::Time MonotonicNow() {
  return absl::UnixEpoch() +
         absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_CLOCK_H_
