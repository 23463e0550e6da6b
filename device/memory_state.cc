// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/memory_state.h"

#include "absl/strings/str_format.h"

namespace ivshmem {
namespace {

const char* Name(MemoryAccess access) {
  return access == MemoryAccess::kReadOnly ? "read-only" : "read-write";
}

}  // namespace

absl::Status CheckState(const MemoryState& state, const SharedMemory& memory,
                        MemoryAccess access) {
  if (state.size != memory.size) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "state.memory.size: expected %d bytes, as the memory has, got %d",
        memory.size, state.size));
  }
  if (state.access != access) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "state.memory.access: expected %s, as configured, got %s", Name(access),
        Name(state.access)));
  }
  return absl::OkStatus();
}

}  // namespace ivshmem
