// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_DESCRIPTOR_H_
#define IVSHMEM_CAPI_DESCRIPTOR_H_

#include <fcntl.h>

#include <cerrno>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::capi {

// One of the library's own for what the caller's `fd` names. Errors:
// InvalidArgument for one that is not open, ResourceExhausted.
inline absl::StatusOr<UniqueFd> Duplicate(int fd) {
  UniqueFd own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (own.valid()) return own;
  if (errno != EBADF) return absl::ErrnoToStatus(errno, "fd: duplicate");
  return absl::InvalidArgumentError(absl::StrFormat(
      "fd: expected a descriptor, got %d, which is not open", fd));
}

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_DESCRIPTOR_H_
