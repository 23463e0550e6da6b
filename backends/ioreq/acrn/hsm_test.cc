// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/hsm.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.
#include <sys/eventfd.h>
#include <sys/ioctl.h>

#include <cerrno>
#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

using ::testing::HasSubstr;

// The page: 16 slots of 256 bytes, with these fields at these places. It is
// shared with a hypervisor that has a header of its own.
TEST(AcrnHeaderTest, ThePageIsLaidOutSo) {
  EXPECT_EQ(sizeof(acrn_io_request), 256u);
  EXPECT_EQ(ACRN_IO_REQUEST_MAX, 16);
  EXPECT_EQ(sizeof(acrn_io_request_buffer), 4096u);
  EXPECT_EQ(offsetof(acrn_io_request, type), 0u);
  EXPECT_EQ(offsetof(acrn_io_request, completion_polling), 4u);
  EXPECT_EQ(offsetof(acrn_io_request, reqs), 64u);
  EXPECT_EQ(offsetof(acrn_io_request, kernel_handled), 132u);
  EXPECT_EQ(offsetof(acrn_io_request, processed), 136u);
  EXPECT_EQ(offsetof(acrn_mmio_request, direction), 0u);
  EXPECT_EQ(offsetof(acrn_mmio_request, address), 8u);
  EXPECT_EQ(offsetof(acrn_mmio_request, size), 16u);
  EXPECT_EQ(offsetof(acrn_mmio_request, value), 24u);
  EXPECT_EQ(sizeof(acrn_mmio_request::value), 8u);
  EXPECT_EQ(offsetof(acrn_pio_request, direction), 0u);
  EXPECT_EQ(offsetof(acrn_pio_request, address), 8u);
  EXPECT_EQ(offsetof(acrn_pio_request, size), 16u);
  EXPECT_EQ(offsetof(acrn_pio_request, value), 24u);
  EXPECT_EQ(sizeof(acrn_pio_request::value), 4u);
  EXPECT_EQ(offsetof(acrn_pci_request, direction), 0u);
  EXPECT_EQ(offsetof(acrn_pci_request, size), 16u);
  EXPECT_EQ(offsetof(acrn_pci_request, value), 24u);
  EXPECT_EQ(offsetof(acrn_pci_request, bus), 28u);
  EXPECT_EQ(offsetof(acrn_pci_request, dev), 32u);
  EXPECT_EQ(offsetof(acrn_pci_request, func), 36u);
  EXPECT_EQ(offsetof(acrn_pci_request, reg), 40u);
}

// States and types are these numbers.
TEST(AcrnHeaderTest, StatesAndTypes) {
  EXPECT_EQ(ACRN_IOREQ_STATE_PENDING, 0);
  EXPECT_EQ(ACRN_IOREQ_STATE_COMPLETE, 1);
  EXPECT_EQ(ACRN_IOREQ_STATE_PROCESSING, 2);
  EXPECT_EQ(ACRN_IOREQ_STATE_FREE, 3);
  EXPECT_EQ(ACRN_IOREQ_TYPE_PORTIO, 0);
  EXPECT_EQ(ACRN_IOREQ_TYPE_MMIO, 1);
  EXPECT_EQ(ACRN_IOREQ_TYPE_PCICFG, 2);
  EXPECT_EQ(ACRN_IOREQ_DIR_READ, 0);
  EXPECT_EQ(ACRN_IOREQ_DIR_WRITE, 1);
}

// A virtual device's description has 192 bytes.
TEST(AcrnHeaderTest, OtherStructures) {
  EXPECT_EQ(sizeof(acrn_vdev), 192u);
  EXPECT_EQ(sizeof(acrn_ioreq_notify), 8u);
  EXPECT_EQ(sizeof(acrn_ioeventfd), 32u);
  EXPECT_EQ(sizeof(acrn_irqfd), 24u);
  EXPECT_EQ(sizeof(acrn_msi_entry), 16u);
  EXPECT_EQ(sizeof(acrn_vm_memmap), 32u);
}

// No room for one more is ResourceExhausted, a thing that is bound or there
// already says so.
TEST(IoctlErrorTest, Codes) {
  EXPECT_TRUE(absl::IsResourceExhausted(IoctlError(-ENOMEM, "x")));
  EXPECT_EQ(IoctlError(-EBUSY, "x").code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(IoctlError(-EEXIST, "x").code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(IoctlError(-EINVAL, "x").code(),
            absl::StatusCode::kInvalidArgument);
}

// What was attempted is in the message, and what the kernel said.
TEST(IoctlErrorTest, SaysWhatWasAttempted) {
  const absl::Status status = IoctlError(-ENODEV, "waiting");
  EXPECT_THAT(status.message(), HasSubstr("waiting"));
  EXPECT_THAT(status.message(), HasSubstr("No such device"));
}

// A descriptor's ioctl: what the kernel returns, or -errno. (An eventfd stands
// in: no machine of the tests has ACRN.)
TEST(HsmFdTest, ReturnsTheErrorsNumber) {
  const UniqueFd event(eventfd(0, EFD_CLOEXEC));
  ASSERT_TRUE(event.valid());
  EXPECT_EQ(
      HsmFd(event.get()).Ioctl(ACRN_IOCTL_ATTACH_IOREQ_CLIENT, uintptr_t{0}),
      -ENOTTY);
  EXPECT_EQ(HsmFd(-1).Ioctl(ACRN_IOCTL_ATTACH_IOREQ_CLIENT, uintptr_t{0}),
            -EBADF);
  EXPECT_EQ(HsmFd(event.get()).Ioctl(FIOCLEX, nullptr), 0);
}

}  // namespace
}  // namespace ivshmem::acrn
