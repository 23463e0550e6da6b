// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_MEMORY_STATE_H_
#define IVSHMEM_DEVICE_MEMORY_STATE_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "core/doorbell.h"
#include "core/shared_memory.h"

namespace ivshmem {

// Who carries the memory's content when the devices that share it are moved to
// another machine: its owner, once, and nobody else. The copying is the
// embedder's; see WrittenMemory.
enum class MemoryRole : uint8_t {
  kAuto,   // Who has id 0, or none, is the owner.
  kOwner,  // Has id 0, or none.
  kPeer,
};

// Whether a device of `role` and `id` carries the content.
constexpr bool CarriesMemory(MemoryRole role, std::optional<PeerId> id) {
  if (role == MemoryRole::kAuto) return id.value_or(0) == 0;
  return role == MemoryRole::kOwner;
}

// Whether a device that has `id` may have `role`. Errors: InvalidArgument that
// names the field ("role"), what was expected and what came.
absl::Status CheckRole(MemoryRole role, std::optional<PeerId> id);

// What a guest sees of the shared memory but for its content, which is not the
// device's to keep; and who keeps that.
struct MemoryState {
  uint64_t size = 0;  // Bytes.
  MemoryAccess access = MemoryAccess::kReadWrite;
  MemoryRole role = MemoryRole::kAuto;

  friend bool operator==(const MemoryState&, const MemoryState&) = default;
};

// Whether a device that was saved with `state` may show `memory`. Errors:
// InvalidArgument that names the field ("state.memory.size"), what was expected
// and what came.
absl::Status CheckState(const MemoryState& state, const SharedMemory& memory,
                        MemoryAccess access, MemoryRole role);

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_MEMORY_STATE_H_
