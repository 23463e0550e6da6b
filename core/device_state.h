// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_DEVICE_STATE_H_
#define IVSHMEM_CORE_DEVICE_STATE_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "core/dialect.h"
#include "core/doorbell.h"
#include "core/registers.h"

namespace ivshmem {

// What a device remembers that its guest can see, as Device::Save() gives it:
// plain values, which may come from anywhere. Peers are not in it, since they
// come from a server or a switchboard again, nor is the memory's content.
struct DeviceState {
  // What the device was made as. It is restored as nothing else.
  std::string dialect;  // Dialect::name.
  InterruptMode interrupts = InterruptMode::kNone;
  int vectors = 0;

  std::optional<PeerId> id;
  RegisterState registers;

  friend bool operator==(const DeviceState&, const DeviceState&) = default;
};

// Whether a device of `dialect`, `interrupts` and `vectors` may be in `state`.
// Errors: InvalidArgument that names the field ("state.vectors"), what was
// expected and what came.
absl::Status CheckState(const DeviceState& state, const Dialect& dialect,
                        InterruptMode interrupts, int vectors);

}  // namespace ivshmem

#endif  // IVSHMEM_CORE_DEVICE_STATE_H_
