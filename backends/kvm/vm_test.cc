// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/vm.h"

#include <linux/kvm.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <cerrno>

#include "absl/status/status.h"
#include "backends/kvm/recording_vm.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::HasSubstr;

// No room for one more is ResourceExhausted: a full bus, a full table of
// descriptors.
TEST(IoctlErrorTest, NoRoomIsResourceExhausted) {
  for (const int error : {ENOSPC, EMFILE, ENFILE, ENOMEM}) {
    EXPECT_TRUE(absl::IsResourceExhausted(IoctlError(-error, "x"))) << error;
  }
}

// The others are Abseil's: of those that KVM answers with, these.
TEST(IoctlErrorTest, OtherErrors) {
  EXPECT_EQ(IoctlError(-EBUSY, "x").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(IoctlError(-EBADF, "x").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(IoctlError(-EEXIST, "x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(IoctlError(-EINVAL, "x").code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(IoctlError(-ENOENT, "x").code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(IoctlError(-ENOSYS, "x").code(), absl::StatusCode::kUnimplemented);
}

// What was attempted is in the message, and what the kernel said.
TEST(IoctlErrorTest, SaysWhatWasAttempted) {
  const absl::Status status = IoctlError(-ENOSPC, "one more doorbell");
  EXPECT_THAT(status.message(), HasSubstr("one more doorbell"));
  EXPECT_THAT(status.message(), HasSubstr("No space left"));
}

// A capability that is absent is 0; so is one that the kernel does not know how
// to be asked for. Else it is what the kernel says.
TEST(ExtensionTest, AbsentIsZero) {
  RecordingVm vm;
  EXPECT_EQ(vm.Extension(KVM_CAP_READONLY_MEM), 0);
  vm.SetExtension(KVM_CAP_READONLY_MEM, -EINVAL);
  EXPECT_EQ(vm.Extension(KVM_CAP_READONLY_MEM), 0);
  vm.SetExtension(KVM_CAP_IRQ_ROUTING, 4096);
  EXPECT_EQ(vm.Extension(KVM_CAP_IRQ_ROUTING), 4096);
}

// A descriptor's ioctl: what the kernel returns, or -errno. (An eventfd
// stands in for a VM here; the guests' tests have real ones.)
TEST(VmFdTest, ReturnsTheErrorsNumber) {
  const UniqueFd event(eventfd(0, EFD_CLOEXEC));
  ASSERT_TRUE(event.valid());
  EXPECT_EQ(VmFd(event.get()).Ioctl(KVM_IRQFD, nullptr), -ENOTTY);
  EXPECT_EQ(VmFd(-1).Ioctl(KVM_IRQFD, nullptr), -EBADF);
  EXPECT_EQ(VmFd(event.get()).Ioctl(FIOCLEX, nullptr), 0);
}

}  // namespace
}  // namespace ivshmem::kvm
