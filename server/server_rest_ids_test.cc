// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <sys/prctl.h>

#include "gtest/gtest.h"
#include "server/server.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

// Clients of a process with a name of the test's choosing.
class RestIdsTest : public ServerTest {
 protected:
  // The id of one who comes after the first of two clients has gone.
  PeerId IdAfterOneHasGone(const char* process, RestIds rest_ids) {
    prctl(PR_SET_NAME, process);
    Start({.rest_ids = rest_ids});
    auto first = Join();
    const auto second = Join();
    first.reset();
    EXPECT_TRUE(Until([&] { return events_.left.size() == 1; }));
    return Join()->id().value_or(kMaxPeers - 1);
  }
};

// "kAuto: QEMU, or what may be one": beside a QEMU the id rests.
TEST_F(RestIdsTest, AutoBesideQemu) {
  EXPECT_EQ(IdAfterOneHasGone("qemu-system-x86", RestIds::kAuto), 2);
}

// Beside others the lowest free id is given at once.
TEST_F(RestIdsTest, AutoBesideOthers) {
  EXPECT_EQ(IdAfterOneHasGone("a_vmm", RestIds::kAuto), 0);
}

TEST_F(RestIdsTest, Always) {
  EXPECT_EQ(IdAfterOneHasGone("a_vmm", RestIds::kAlways), 2);
}

TEST_F(RestIdsTest, Never) {
  EXPECT_EQ(IdAfterOneHasGone("qemu-system-x86", RestIds::kNever), 0);
}

}  // namespace
}  // namespace ivshmem::server
