// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_SIZE_H_
#define IVSHMEM_TOOLS_IVSHMEM_SIZE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace ivshmem::tool {

// A number of bytes as people type it: 4096, 0x1000, or with K, M, G or T for
// powers of 1024. Errors name `flag` and what was typed.
absl::StatusOr<uint64_t> ParseSize(absl::string_view flag,
                                   absl::string_view text);

// The shortest form that ParseSize() reads as `bytes`: 4M, 4097.
std::string FormatSize(uint64_t bytes);

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_SIZE_H_
