// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/limits.h"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_format.h"

namespace ivshmem::server {
namespace {

// For the loop, its clocks, sockets, the memory, readers of the status, and
// what the process was started with.
constexpr uint64_t kOwn = 64;

uint64_t PerPeer(int vectors) { return static_cast<uint64_t>(vectors) + 1; }

}  // namespace

uint64_t DescriptorsNeeded(int max_peers, int vectors) {
  return max_peers * PerPeer(vectors) + kOwn;
}

absl::StatusOr<int> FitDescriptors(std::optional<int> max_peers, int vectors) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return absl::ErrnoToStatus(errno, "limit of open files");
  }
  if (limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) {
      return absl::ErrnoToStatus(errno, "raise the limit of open files");
    }
  }
  const uint64_t open = limit.rlim_max;
  const uint64_t fitting = open < kOwn ? 0 : (open - kOwn) / PerPeer(vectors);
  if (fitting >= static_cast<uint64_t>(max_peers.value_or(1))) {
    return static_cast<int>(
        std::min<uint64_t>(fitting, max_peers.value_or(kDefaultMaxPeers)));
  }
  return absl::ResourceExhaustedError(absl::StrFormat(
      "--max-peers %d with %d vectors needs up to %d open files, but the limit "
      "(ulimit -Hn, LimitNOFILE=) is %d, enough for %d peers",
      max_peers.value_or(1), vectors,
      DescriptorsNeeded(max_peers.value_or(1), vectors), open, fitting));
}

}  // namespace ivshmem::server
