// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_WRONG_H_
#define IVSHMEM_SCRIPT_WRONG_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"

namespace ivshmem::script {

// What is wrong with a field, as everybody says it here.
inline absl::Status Invalid(absl::string_view field, absl::string_view expected,
                            absl::string_view got) {
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected %s, got %s", field, expected, got));
}

inline absl::Status CheckMost(absl::string_view field, uint64_t value,
                              uint64_t most) {
  if (value <= most) return absl::OkStatus();
  return Invalid(field, absl::StrCat("0..", most), absl::StrCat(value));
}

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_WRONG_H_
