// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/device_state.h"

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"

namespace ivshmem {
namespace {

constexpr size_t kMostShown = 32;  // Of a name that came from anywhere.

const char* Name(InterruptMode interrupts) {
  switch (interrupts) {
    case InterruptMode::kNone:
      return "none";
    case InterruptMode::kMsix:
      return "MSI-X";
    case InterruptMode::kIntx:
      return "INTx";
    case InterruptMode::kLine:
      return "a line";
  }
  return "an unknown kind";
}

// A register that stores nothing holds 0.
absl::Status CheckRegister(const char* field, Storage storage, uint32_t value) {
  if (storage != Storage::kNone || value == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "state.%s: expected 0, as the dialect's register stores nothing, got %#x",
      field, value));
}

}  // namespace

absl::Status CheckState(const DeviceState& state, const Dialect& dialect,
                        InterruptMode interrupts, int vectors) {
  if (state.dialect != dialect.name) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "state.dialect: expected %s, as configured, got '%s'", dialect.name,
        absl::CHexEscape(state.dialect.substr(0, kMostShown))));
  }
  if (state.interrupts != interrupts) {
    return absl::InvalidArgumentError(
        absl::StrFormat("state.interrupts: expected %s, as configured, got %s",
                        Name(interrupts), Name(state.interrupts)));
  }
  if (state.vectors != vectors) {
    return absl::InvalidArgumentError(
        absl::StrFormat("state.vectors: expected %d, as configured, got %d",
                        vectors, state.vectors));
  }
  if (absl::Status status =
          CheckRegister("mask", dialect.mask, state.registers.mask);
      !status.ok()) {
    return status;
  }
  return CheckRegister("status", dialect.status, state.registers.status);
}

}  // namespace ivshmem
