// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_ACCELERATION_H_
#define IVSHMEM_SCRIPT_ACCELERATION_H_

#include <array>
#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace ivshmem::script {

// What the hosts of the library's devices offer. A guest cannot tell one from
// the other.
enum class Acceleration : uint8_t {
  // Everything traps, the shared memory as well.
  kNone,
  // Doorbells are bound and interrupts routed, as many as there are, and memory
  // is mapped.
  kAll,
  // As kAll, with room for two doorbells and one route of each device, so that
  // they take turns.
  kLimited,
  // As kAll, but the host takes writes of a bound doorbell that match no bound
  // value for itself, as ACRN's. So a guest of dialect QEMU, whose smaller
  // writes of the doorbell ring, can tell.
  kSwallowing,
};

inline constexpr std::array<Acceleration, 4> kAccelerations = {
    Acceleration::kNone, Acceleration::kAll, Acceleration::kLimited,
    Acceleration::kSwallowing};

// As on a command line: "none", "all", "limited", "swallowing".
constexpr absl::string_view AccelerationName(Acceleration acceleration) {
  switch (acceleration) {
    case Acceleration::kNone:
      return "none";
    case Acceleration::kAll:
      return "all";
    case Acceleration::kLimited:
      return "limited";
    case Acceleration::kSwallowing:
      return "swallowing";
  }
  return "";
}

// Nullopt when there is none of that name.
constexpr std::optional<Acceleration> FindAcceleration(absl::string_view name) {
  for (const Acceleration acceleration : kAccelerations) {
    if (AccelerationName(acceleration) == name) return acceleration;
  }
  return std::nullopt;
}

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_ACCELERATION_H_
