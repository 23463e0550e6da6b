// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_VERSION_H_
#define IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_VERSION_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/vfio_user/protocol/wire.h"

namespace ivshmem::vfio_user {

// The most bytes that a VERSION's payload may have. QEMU's has 198.
inline constexpr size_t kMostVersion = 4096;

// What was agreed on with a client.
struct Agreement {
  Version version;
  // The most descriptors that one message to the client has: 1..kMostFds.
  size_t client_fds = 1;
};

// Understands the payload of a client's VERSION: major 0, and JSON of bounded
// length and depth. What the JSON says beyond `max_msg_fds` is checked for its
// form and needs no answer: nothing is read from clients, and all messages to
// them are small, but for reads that they ask for. Errors: InvalidArgument that
// says what was expected and what came.
absl::StatusOr<Agreement> Agree(absl::Span<const uint8_t> payload);

// The payload of the answer. QEMU takes none that is longer than its request,
// and warns of keys that it does not know; Cloud Hypervisor wants the object
// `capabilities`.
void AppendAnswer(const Agreement& agreement, std::vector<uint8_t>& bytes);

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_PROTOCOL_VERSION_H_
