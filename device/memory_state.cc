// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/memory_state.h"

#include "absl/strings/str_format.h"

namespace ivshmem {
namespace {

const char* Name(MemoryAccess access) {
  return access == MemoryAccess::kReadOnly ? "read-only" : "read-write";
}

const char* Name(MemoryRole role) {
  switch (role) {
    case MemoryRole::kOwner:
      return "owner";
    case MemoryRole::kPeer:
      return "peer";
    case MemoryRole::kAuto:
      break;
  }
  return "auto";
}

}  // namespace

absl::Status CheckRole(MemoryRole role, std::optional<PeerId> id) {
  if (role != MemoryRole::kOwner || id.value_or(0) == 0) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(absl::StrFormat(
      "role: expected peer or auto of the device with id %d, as the memory's "
      "owner has id 0, got owner",
      *id));
}

absl::Status CheckState(const MemoryState& state, const SharedMemory& memory,
                        MemoryAccess access, MemoryRole role) {
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
  if (state.role != role) {
    return absl::InvalidArgumentError(
        absl::StrFormat("state.memory.role: expected %s, as configured, got %s",
                        Name(role), Name(state.role)));
  }
  return absl::OkStatus();
}

}  // namespace ivshmem
