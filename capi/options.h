// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_OPTIONS_H_
#define IVSHMEM_CAPI_OPTIONS_H_

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>

#include "absl/strings/str_format.h"
#include "capi/errors.h"

namespace ivshmem::capi {

// No struct of the interface will be larger: a `struct_size` that is was never
// set.
inline constexpr size_t kMostStructBytes = 4096;

// Takes a struct of a caller who may have been compiled with a smaller one
// (what is missing is zero) or a larger one (what is more must be zero). `name`
// is for the text of an error. Returns 0 or a negative errno.
template <typename Struct>
int CopyIn(const Struct* from, const char* name, Struct& to) {
  static_assert(std::is_trivially_copyable_v<Struct>);
  static_assert(offsetof(Struct, struct_size) == 0);
  static_assert(sizeof(Struct) <= kMostStructBytes);
  if (from == nullptr) {
    return Fail(EINVAL,
                absl::StrFormat("%s: expected a struct, got null", name));
  }
  size_t size;
  std::memcpy(&size, from, sizeof(size));
  // What is no multiple would end inside a field, of a pointer perhaps.
  if (size < sizeof(size) || size > kMostStructBytes ||
      size % alignof(Struct) != 0) {
    return Fail(EINVAL, absl::StrFormat("%s.struct_size: expected %d, got %d",
                                        name, sizeof(Struct), size));
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(from);
  for (size_t i = sizeof(Struct); i < size; ++i) {
    if (bytes[i] == 0) continue;
    return Fail(E2BIG, absl::StrFormat("%s: expected at most %d bytes, got one "
                                       "of %d whose byte %d is not zero",
                                       name, sizeof(Struct), size, i));
  }
  to = {};
  // As bytes: what the caller has may be less than a Struct.
  std::memcpy(reinterpret_cast<uint8_t*>(&to), bytes,
              std::min(size, sizeof(Struct)));
  to.struct_size = sizeof(Struct);
  return 0;
}

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_OPTIONS_H_
