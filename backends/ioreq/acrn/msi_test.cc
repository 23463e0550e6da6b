// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/msi.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <cerrno>

#include "backends/ioreq/acrn/recording_hsm.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

// A message goes to the hypervisor as it is; one that is refused is lost.
TEST(MsiInjectorTest, Injects) {
  RecordingHsm hsm;
  MsiInjector msi(hsm);
  hsm.Answer(ACRN_IOCTL_INJECT_MSI, -EINVAL);
  msi.Send({.address = 0x123456789, .data = 0x4142});
  msi.Send({.address = 0xfee00000, .data = 7});
  const auto messages = hsm.TakeMessages();
  ASSERT_EQ(messages.size(), 2u);
  EXPECT_EQ(messages[0].msi_addr, 0x123456789u);
  EXPECT_EQ(messages[0].msi_data, 0x4142u);
  EXPECT_EQ(messages[1].msi_addr, 0xfee00000u);
  EXPECT_EQ(messages[1].msi_data, 7u);
}

}  // namespace
}  // namespace ivshmem::acrn
