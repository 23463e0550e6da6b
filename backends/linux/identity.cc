// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/identity.h"

#include <sys/random.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace ivshmem {
namespace {

constexpr absl::string_view kPrefix = "ivshmem-";
constexpr size_t kBytes = 16;

}  // namespace

std::string RandomIdentity() {
  std::array<char, kBytes> bytes;
  // Up to 256 bytes come whole once the kernel has gathered its entropy, for
  // which the call waits.
  size_t got = 0;
  while (got < bytes.size()) {
    const ssize_t n = getrandom(bytes.data() + got, bytes.size() - got, 0);
    if (n > 0) got += static_cast<size_t>(n);
  }
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

bool IsIdentity(absl::string_view text) {
  return text.size() == 2 * kBytes &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

std::string IdentityName(absl::string_view identity) {
  return absl::StrCat(kPrefix, identity);
}

std::optional<std::string> IdentityOf(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, kPrefix) || !IsIdentity(name)) {
    return std::nullopt;
  }
  return std::string(name);
}

}  // namespace ivshmem
