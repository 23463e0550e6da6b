// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_VM_H_
#define IVSHMEM_BACKENDS_KVM_VM_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace ivshmem::kvm {

// A KVM virtual machine as this backend uses it: the ioctls of its descriptor.
// An embedder whose descriptor lives in another process, or a test that has the
// kernel refuse, puts its own in.
//
// Threading: any thread, several at once.
class Vm {
 public:
  virtual ~Vm() = default;

  // ioctl(2) with `request`, one of <linux/kvm.h>, which also says what the
  // argument is: a number or a pointer. Returns what the kernel returned,
  // or -errno. Repeats what a signal broke off.
  virtual int Ioctl(uint64_t request, uintptr_t argument) noexcept = 0;

  int Ioctl(uint64_t request, const void* argument) noexcept {
    return Ioctl(request, reinterpret_cast<uintptr_t>(argument));
  }

  // What KVM_CHECK_EXTENSION says of `capability`: 0 when it is absent.
  int Extension(int capability) noexcept;
};

// A descriptor of this process.
class VmFd : public Vm {
 public:
  // `fd` is KVM_CREATE_VM's; it is the embedder's and stays open as long as the
  // object lives.
  explicit VmFd(int fd) : fd_(fd) {}

  using Vm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override;

 private:
  const int fd_;
};

// The error that `result`, a negative one of Ioctl()'s, is for `what` was
// attempted. As Abseil has it: ENOSPC, EMFILE, ENFILE and ENOMEM, by which the
// kernel says that it has no room for one more, are ResourceExhausted; EBUSY
// (an eventfd that is bound already) and EBADF are FailedPrecondition, EEXIST
// is AlreadyExists, EINVAL InvalidArgument.
absl::Status IoctlError(int result, absl::string_view what);

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_VM_H_
