// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/hsm.h"

#include <sys/ioctl.h>

#include <cerrno>

namespace ivshmem::acrn {

int HsmFd::Ioctl(uint64_t request, uintptr_t argument) noexcept {
  while (true) {
    const int result = ioctl(fd_, request, argument);
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

absl::Status IoctlError(int result, absl::string_view what) {
  return absl::ErrnoToStatus(-result, what);
}

}  // namespace ivshmem::acrn
