// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_REQUIRE_H_
#define IVSHMEM_FUZZ_REQUIRE_H_

#include <cstdio>
#include <cstdlib>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ivshmem {

// Ends the process, as a fuzzer expects it of a fault that was found, unless
// `holds`.
inline void Require(bool holds, absl::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "Does not hold: %s\n", std::string(what).c_str());
  std::abort();
}

// Of one reason, which is said.
inline void RequireReason(const absl::Status& status) {
  Require(status.ok() || !status.message().empty(), "a reason is said");
}

}  // namespace ivshmem

#endif  // IVSHMEM_FUZZ_REQUIRE_H_
