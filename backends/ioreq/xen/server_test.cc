// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/server.h"

#include <memory>

#include "absl/status/statusor.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A server that goes is disabled before its page: no request comes into a page
// that nobody has any more.
TEST(XenServerTest, DisablesItselfFirst) {
  RecordingHypervisor xen;
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(xen, xen);
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_EQ((*server)->requests(), &xen.request(0));
  xen.TakeCalls();
  *server = nullptr;
  EXPECT_THAT(xen.TakeCalls(), ElementsAre("DisableServer 5", "UnmapServerPage",
                                           "DestroyServer 5"));
  EXPECT_THAT(xen.complaints(), IsEmpty());
}

// Once is enough.
TEST(XenServerTest, DisablesItselfOnce) {
  RecordingHypervisor xen;
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Create(xen, xen);
  ASSERT_TRUE(server.ok()) << server.status();
  xen.TakeCalls();
  (*server)->Disable();
  EXPECT_THAT(xen.TakeCalls(), ElementsAre("DisableServer 5"));
  (*server)->Disable();
  *server = nullptr;
  EXPECT_THAT(xen.TakeCalls(),
              ElementsAre("UnmapServerPage", "DestroyServer 5"));
}

}  // namespace
}  // namespace ivshmem::xen
