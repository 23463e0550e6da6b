// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/qemu_client.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <array>

#include "gtest/gtest.h"

namespace ivshmem::server {
namespace {

class MayBeQemuTest : public testing::Test {
 protected:
  MayBeQemuTest() { prctl(PR_GET_NAME, name_.data()); }
  ~MayBeQemuTest() override { prctl(PR_SET_NAME, name_.data()); }

  std::array<char, 16> name_ = {};
};

// "A QEMU by its name", as Debian's, Fedora's and those of cross targets are
// called, in the 15 characters that the kernel keeps.
TEST_F(MayBeQemuTest, KnowsItByItsName) {
  for (const char* name : {"qemu-system-x86", "qemu-kvm", "qemu-system-aar"}) {
    prctl(PR_SET_NAME, name);
    EXPECT_TRUE(MayBeQemu(getpid())) << name;
  }
  for (const char* name : {"python3", "kvm_vmm", "not-qemu"}) {
    prctl(PR_SET_NAME, name);
    EXPECT_FALSE(MayBeQemu(getpid())) << name;
  }
}

// "Or cannot be told."
TEST_F(MayBeQemuTest, WhoCannotBeToldMayBe) {
  EXPECT_TRUE(MayBeQemu(0));
  EXPECT_TRUE(MayBeQemu(-1));
  EXPECT_TRUE(MayBeQemu(1 << 30)) << "no process has such an id";
}

}  // namespace
}  // namespace ivshmem::server
