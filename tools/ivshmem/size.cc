// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/size.h"

#include <limits>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace ivshmem::tool {
namespace {

constexpr absl::string_view kUnits = "KMGT";

}  // namespace

absl::StatusOr<uint64_t> ParseSize(absl::string_view flag,
                                   absl::string_view text) {
  const absl::Status error = absl::InvalidArgumentError(absl::StrFormat(
      "%s: expected bytes as 4096, 0x1000, 64K, 4M or 2G, got '%s'", flag,
      text));
  absl::string_view digits = text;
  int shift = 0;
  if (!digits.empty()) {
    const size_t unit = kUnits.find(absl::ascii_toupper(digits.back()));
    if (unit != absl::string_view::npos) {
      shift = 10 * (static_cast<int>(unit) + 1);
      digits.remove_suffix(1);
    }
  }
  // What reads numbers would pass over a sign or a space.
  if (digits.empty() || !absl::ascii_isdigit(digits.front()) ||
      !absl::ascii_isxdigit(digits.back())) {
    return error;
  }
  uint64_t number = 0;
  const bool parsed = absl::ConsumePrefix(&digits, "0x")
                          ? absl::SimpleHexAtoi(digits, &number)
                          : absl::SimpleAtoi(digits, &number);
  if (!parsed || number > std::numeric_limits<uint64_t>::max() >> shift) {
    return error;
  }
  return number << shift;
}

std::string FormatSize(uint64_t bytes) {
  size_t unit = 0;
  while (bytes != 0 && bytes % 1024 == 0 && unit < kUnits.size()) {
    bytes /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrCat(bytes)
                   : absl::StrCat(bytes, kUnits.substr(unit - 1, 1));
}

}  // namespace ivshmem::tool
