// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/range_claims.h"

#include <cerrno>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ioreq::Space;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kFunction = pci::kEcamFunctionSize;

class XenRangeClaimsTest : public ::testing::Test {
 protected:
  absl::StatusOr<RegistrationPtr> Claim(Space space, uint64_t base,
                                        uint64_t size) {
    return claims_->Claim(space, base, size);
  }
  // Claims it for good.
  absl::Status Keep(Space space, uint64_t base, uint64_t size) {
    absl::StatusOr<RegistrationPtr> claim = Claim(space, base, size);
    if (!claim.ok()) return claim.status();
    kept_.push_back(*std::move(claim));
    return absl::OkStatus();
  }

  RecordingHypervisor xen_;
  std::optional<RangeClaims> claims_{std::in_place, xen_, xen_.CreateServer()};
  std::vector<RegistrationPtr> kept_;
};

// Claims are explicit, of three types; the ends of Xen's ranges are inclusive.
// They go with the registration.
TEST_F(XenRangeClaimsTest, MemoryAndPorts) {
  xen_.TakeCalls();
  absl::StatusOr<RegistrationPtr> memory =
      Claim(Space::kMemory, 0xfebf0000, 0x100);
  ASSERT_TRUE(memory.ok()) << memory.status();
  absl::StatusOr<RegistrationPtr> ports = Claim(Space::kPorts, 0xc000, 1);
  ASSERT_TRUE(ports.ok()) << ports.status();
  EXPECT_THAT(xen_.TakeCalls(),
              ElementsAre("MapRange 5 type 1 0xfebf0000-0xfebf00ff",
                          "MapRange 5 type 0 0xc000-0xc000"));
  *memory = nullptr;
  *ports = nullptr;
  EXPECT_THAT(xen_.TakeCalls(),
              ElementsAre("UnmapRange 5 type 1 0xfebf0000-0xfebf00ff",
                          "UnmapRange 5 type 0 0xc000-0xc000"));
  EXPECT_EQ(xen_.Existing(), "server");
}

// Config space is claimed by function; Xen's number of one is segment, bus,
// device and function from above, 16, 8, 5 and 3 bits.
TEST_F(XenRangeClaimsTest, Functions) {
  xen_.TakeCalls();
  absl::StatusOr<RegistrationPtr> one =
      Claim(Space::kPciConfig, pci::EcamOffset(0xab, 0x1f, 7), kFunction);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("MapRange 5 type 2 0xabff-0xabff"));
  absl::StatusOr<RegistrationPtr> two =
      Claim(Space::kPciConfig, pci::EcamOffset(0, 3, 7), 2 * kFunction);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("MapRange 5 type 2 0x1f-0x1f",
                                            "MapRange 5 type 2 0x20-0x20"));
  *one = nullptr;
  *two = nullptr;
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("UnmapRange 5 type 2 0xabff-0xabff",
                                            "UnmapRange 5 type 2 0x1f-0x1f",
                                            "UnmapRange 5 type 2 0x20-0x20"));
}

// A bus is the most that is claimed at once.
TEST_F(XenRangeClaimsTest, ABusOfFunctions) {
  xen_.TakeCalls();
  EXPECT_TRUE(
      Keep(Space::kPciConfig, pci::EcamOffset(1, 0, 0), 256 * kFunction).ok());
  EXPECT_THAT(xen_.TakeCalls(), SizeIs(256));
}

// What is no range of the space is refused before Xen is asked; the error says
// what was expected and what came.
TEST_F(XenRangeClaimsTest, RefusesWhatIsNoRange) {
  struct Case {
    Space space;
    uint64_t base;
    uint64_t size;
    const char* message;
  };
  xen_.TakeCalls();
  for (const Case& c : std::vector<Case>{
           {Space::kMemory, 0x1000, 0,
            "cannot claim 0 bytes at 0x1000 of memory"},
           {Space::kMemory, 0, 0, "memory"},
           {Space::kMemory, kTop, 2,
            "memory, which ends at 0xffffffffffffffff"},
           {Space::kPorts, 0xffff, 2, "I/O ports, which ends at 0xffff"},
           {Space::kPorts, 0x10000, 1, "I/O ports"},
           {Space::kPorts, 0, 0, "I/O ports"},
           {Space::kPciConfig, 0, 0, "config space"},
           {Space::kPciConfig, 256 << 20, kFunction,
            "config space, which ends at 0xfffffff"},
           {Space::kPciConfig, 0, 257 * kFunction,
            "expected 1 to 256 whole functions of 0x1000 bytes, got 0x101000 "
            "bytes at 0"},
           {Space::kPciConfig, 0, 0x100, "got 0x100 bytes at 0"},
           {Space::kPciConfig, 0x800, kFunction, "bytes at 0x800"},
       }) {
    const auto claim = Claim(c.space, c.base, c.size);
    EXPECT_TRUE(absl::IsInvalidArgument(claim.status())) << claim.status();
    EXPECT_THAT(claim.status().message(), HasSubstr(c.message));
    EXPECT_THAT(xen_.TakeCalls(), IsEmpty());
  }
}

// The last byte of each space can be claimed.
TEST_F(XenRangeClaimsTest, TheEndsOfTheSpaces) {
  EXPECT_TRUE(Keep(Space::kMemory, kTop, 1).ok());
  EXPECT_TRUE(Keep(Space::kPorts, 0xffff, 1).ok());
  EXPECT_TRUE(
      Keep(Space::kPciConfig, pci::EcamOffset(255, 31, 7), kFunction).ok());
  EXPECT_EQ(xen_.Existing(),
            "server, type 0 0xffff-0xffff, type 1 "
            "0xffffffffffffffff-0xffffffffffffffff, type 2 0xffff-0xffff");
}

// "Overlap within a server is EEXIST"; spaces do not overlap each other.
TEST_F(XenRangeClaimsTest, Overlap) {
  ASSERT_TRUE(Keep(Space::kMemory, 0x1000, 0x1000).ok());
  const absl::Status status = Keep(Space::kMemory, 0x1fff, 1);
  EXPECT_TRUE(absl::IsAlreadyExists(status)) << status;
  EXPECT_THAT(status.message(),
              HasSubstr("claiming range 0x1fff to 0x1fff of type 1"));
  EXPECT_TRUE(Keep(Space::kPorts, 0x1fff, 1).ok());
  EXPECT_TRUE(Keep(Space::kMemory, 0x2000, 1).ok());
}

// 256 ranges of a type, then no more; of another there still are.
TEST_F(XenRangeClaimsTest, ResourcesEnd) {
  for (uint64_t i = 0; i < 256; ++i) {
    ASSERT_TRUE(Keep(Space::kMemory, i * 0x2000, 0x1000).ok());
  }
  EXPECT_TRUE(
      absl::IsResourceExhausted(Keep(Space::kMemory, 0x10000000, 0x1000)));
  EXPECT_TRUE(Keep(Space::kPorts, 0, 1).ok());
  xen_.Refuse("MapRange", -ENOSPC);
  EXPECT_TRUE(absl::IsResourceExhausted(Keep(Space::kPorts, 1, 1)));
}

// All functions of a claim or none.
TEST_F(XenRangeClaimsTest, UndoesAHalfClaim) {
  ASSERT_TRUE(Keep(Space::kPciConfig, 5 * kFunction, kFunction).ok());
  xen_.TakeCalls();
  EXPECT_TRUE(absl::IsAlreadyExists(
      Keep(Space::kPciConfig, 3 * kFunction, 4 * kFunction)));
  EXPECT_THAT(
      xen_.TakeCalls(),
      ElementsAre("MapRange 5 type 2 0x3-0x3", "MapRange 5 type 2 0x4-0x4",
                  "MapRange 5 type 2 0x5-0x5", "UnmapRange 5 type 2 0x4-0x4",
                  "UnmapRange 5 type 2 0x3-0x3"));
  EXPECT_EQ(xen_.Existing(), "server, type 2 0x5-0x5");
}

// A range that Xen does not let go of is tried again before the next claim,
// until it goes; then no more.
TEST_F(XenRangeClaimsTest, AStuckRangeIsTriedAgain) {
  absl::StatusOr<RegistrationPtr> stuck = Claim(Space::kMemory, 0x1000, 0x1000);
  ASSERT_TRUE(stuck.ok()) << stuck.status();
  xen_.Refuse("UnmapRange", -ENOMEM);
  xen_.Refuse("UnmapRange", -ENOMEM);
  *stuck = nullptr;
  EXPECT_EQ(xen_.Existing(), "server, type 1 0x1000-0x1fff");
  EXPECT_TRUE(absl::IsAlreadyExists(Keep(Space::kMemory, 0x1000, 0x1000)));
  xen_.TakeCalls();
  EXPECT_TRUE(Keep(Space::kMemory, 0x1000, 0x1000).ok());
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("UnmapRange 5 type 1 0x1000-0x1fff",
                                            "MapRange 5 type 1 0x1000-0x1fff"));
  EXPECT_TRUE(Keep(Space::kMemory, 0x2000, 0x1000).ok());
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("MapRange 5 type 1 0x2000-0x2fff"));
}

// So is one that was to be undone when a claim failed half-way.
TEST_F(XenRangeClaimsTest, AStuckHalfClaimIsTriedAgain) {
  xen_.Refuse("MapRange", -EIO, 1);
  xen_.Refuse("UnmapRange", -ENOMEM);
  EXPECT_FALSE(Keep(Space::kPciConfig, 0, 2 * kFunction).ok());
  EXPECT_EQ(xen_.Existing(), "server, type 2 0-0");
  EXPECT_TRUE(Keep(Space::kPciConfig, 0, kFunction).ok());
}

// What is not there any more is not tried again.
TEST_F(XenRangeClaimsTest, ARangeThatIsNotThereIsForgotten) {
  absl::StatusOr<RegistrationPtr> claim = Claim(Space::kPorts, 1, 1);
  xen_.Refuse("UnmapRange", -ENOENT);
  *claim = nullptr;
  xen_.TakeCalls();
  EXPECT_TRUE(Keep(Space::kPorts, 2, 1).ok());
  EXPECT_THAT(xen_.TakeCalls(), ElementsAre("MapRange 5 type 0 0x2-0x2"));
}

// Registrations may outlive the claims, and do nothing then.
TEST_F(XenRangeClaimsTest, RegistrationsOutliveIt) {
  absl::StatusOr<RegistrationPtr> claim = Claim(Space::kPorts, 1, 1);
  ASSERT_TRUE(claim.ok());
  claims_.reset();
  xen_.TakeCalls();
  *claim = nullptr;
  EXPECT_THAT(xen_.TakeCalls(), IsEmpty());
}

}  // namespace
}  // namespace ivshmem::xen
