// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/vm.h"

#include <linux/kvm.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cerrno>

namespace ivshmem::kvm {

int Vm::Extension(int capability) noexcept {
  return std::max(
      0, Ioctl(KVM_CHECK_EXTENSION, static_cast<uintptr_t>(capability)));
}

int VmFd::Ioctl(uint64_t request, uintptr_t argument) noexcept {
  while (true) {
    const int result = ioctl(fd_, request, argument);
    if (result >= 0) return result;
    if (errno != EINTR) return -errno;
  }
}

absl::Status IoctlError(int result, absl::string_view what) {
  return absl::ErrnoToStatus(-result, what);
}

}  // namespace ivshmem::kvm
