// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_KINDS_H_
#define IVSHMEM_SCRIPT_KINDS_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// What a Step is about: to weigh them, and to count that none was forgotten.
enum class Kind : uint8_t {
  kReadConfig,
  kReadRegisters,
  kReadMsix,
  kReadMemory,
  kReadAddress,
  kWriteConfig,
  kWriteRegisters,
  kWriteMsix,
  kWriteMemory,
  kWriteAddress,
  kPeerJoins,
  kPeerLeaves,
  kVectorArrives,
  kInterrupt,
  kStore,
  kLoad,
  kSetId,
  kReset,
  kSave,
  kRestore,
  kLinkLost,
  kLinkBack,
  kUnplug,
  kPlug,
  kNothing,  // A Step without an operation, an access without a place.
};
inline constexpr int kKinds = static_cast<int>(Kind::kNothing);

Kind KindOf(const Step& step);

// As "read config", "peer joins".
absl::string_view Name(Kind kind);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_KINDS_H_
