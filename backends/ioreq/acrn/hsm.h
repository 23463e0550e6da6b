// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_HSM_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_HSM_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ivshmem::acrn {

// ACRN's hypervisor service module as this backend uses it: the ioctls of an
// open /dev/acrn_hsm on which the embedder has created its VM. A test puts a
// simulation in.
//
// Threading: any thread, several at once.
class Hsm {
 public:
  virtual ~Hsm() = default;

  // ioctl(2) with `request`, one of <linux/acrn.h>, which also says what the
  // argument is: a number or a pointer. Returns what the kernel returned, or
  // -errno. Unlike ioctl(2), repeats what a signal broke off.
  virtual int Ioctl(uint64_t request, uintptr_t argument) noexcept = 0;

  int Ioctl(uint64_t request, const void* argument) noexcept {
    return Ioctl(request, reinterpret_cast<uintptr_t>(argument));
  }
};

// A descriptor of this process.
class HsmFd : public Hsm {
 public:
  // `fd` is /dev/acrn_hsm's, after ACRN_IOCTL_CREATE_VM; it is the embedder's
  // and stays open as long as the object lives.
  explicit HsmFd(int fd) : fd_(fd) {}

  using Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override;

 private:
  const int fd_;
};

// The error that `result`, a negative one of Ioctl()'s, is for `what` was
// attempted.
absl::Status IoctlError(int result, absl::string_view what);

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_HSM_H_
