// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/msi.h"

#include <cerrno>

#include "backends/ioreq/xen/recording_hypervisor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ::testing::ElementsAre;

// The message goes into the domain as it is, all 64 bits of its address.
TEST(XenMsiTest, Sends) {
  RecordingHypervisor xen;
  Msi(xen).Send({.address = 0x12345678fee01000, .data = 0x80004041});
  EXPECT_THAT(xen.TakeCalls(),
              ElementsAre("InjectMsi 0x12345678fee01000 0x80004041"));
}

// What Xen refuses is lost: it is not sent a second time.
TEST(XenMsiTest, WhatIsRefusedIsLost) {
  RecordingHypervisor xen;
  xen.Refuse("InjectMsi", -EINVAL);
  Msi(xen).Send({.address = 0, .data = 0x40});
  EXPECT_THAT(xen.TakeCalls(), ElementsAre("InjectMsi 0 0x40"));
}

}  // namespace
}  // namespace ivshmem::xen
