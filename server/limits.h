// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_LIMITS_H_
#define IVSHMEM_SERVER_LIMITS_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace ivshmem::server {

// The peers that a server has room for when nobody says.
inline constexpr int kDefaultMaxPeers = 1024;

// Descriptors that a server of so many peers with so many vectors each may
// have open: for each peer its connection and an event for each vector, and
// some for itself.
uint64_t DescriptorsNeeded(int max_peers, int vectors);

// Raises this process's limit of descriptors as far as it goes, which is as
// well the limit of those that an unprivileged user may have under way, and
// returns the number of peers to serve: `max_peers` if that is given and the
// limit allows it, else kDefaultMaxPeers or what the limit allows. Errors:
// ResourceExhausted, which names all the numbers and `--max-peers`, when the
// limit is too low.
absl::StatusOr<int> FitDescriptors(std::optional<int> max_peers, int vectors);

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_LIMITS_H_
