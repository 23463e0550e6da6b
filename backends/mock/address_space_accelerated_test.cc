// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The accelerator in front of the claims.

#include <array>

#include "backends/doorbell_accelerator.h"
#include "backends/memory_mapper.h"
#include "backends/mock/accelerator.h"
#include "backends/mock/address_space.h"
#include "backends/mock/events.h"
#include "backends/mock/recording_handler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Access = RecordingHandler::Access;
using Counts = AddressSpace::Counts;
using Map = MemoryAccess;
using MissPolicy = DoorbellAccelerator::MissPolicy;

class AcceleratedTest : public ::testing::TestWithParam<MissPolicy> {
 protected:
  static constexpr uint64_t kDoorbell = 0x100c;

  AcceleratedTest()
      : accelerator_(&events_, {.miss_policy = GetParam()}),
        space_({.accelerator = &accelerator_}),
        event_(events_.Create()),
        bound_(*accelerator_.Bind(kDoorbell, 1, event_)) {}

  Events events_;
  Accelerator accelerator_;
  AddressSpace space_;
  RecordingHandler handler_;
  const EventHandle event_;
  RegistrationPtr bound_;
};

INSTANTIATE_TEST_SUITE_P(Policies, AcceleratedTest,
                         ::testing::Values(MissPolicy::kFallsThrough,
                                           MissPolicy::kSwallowed));

TEST_P(AcceleratedTest, HasTheFirstLook) {
  auto claim = space_.Claim(0x1000, 0x100, handler_);
  ASSERT_TRUE(claim.ok());
  space_.Write32(kDoorbell, 1);
  EXPECT_EQ(events_.count(event_), 1u);
  EXPECT_THAT(handler_.Take(), IsEmpty());
  EXPECT_EQ(space_.counts(), (Counts{.accelerated = 1}));

  space_.Write32(kDoorbell, 2);
  const uint32_t read = space_.Read32(kDoorbell);
  if (GetParam() == MissPolicy::kSwallowed) {
    EXPECT_EQ(read, 0u);
    EXPECT_THAT(handler_.Take(), IsEmpty());
    EXPECT_EQ(space_.counts(), (Counts{.accelerated = 3}));
  } else {
    EXPECT_EQ(read, 0x0f0e0d0cu);
    EXPECT_THAT(handler_.Take(),
                ElementsAre(Access{.offset = 12, .written = {2, 0, 0, 0}},
                            Access{.offset = 12, .read = 4}));
    EXPECT_EQ(space_.counts(), (Counts{.claimed = 2, .accelerated = 1}));
  }

  bound_.reset();
  space_.Write32(kDoorbell, 1);
  EXPECT_EQ(events_.count(event_), 1u);
  EXPECT_THAT(handler_.Take(), SizeIs(1));
}

TEST_P(AcceleratedTest, NeedsNoClaim) {
  space_.Write32(kDoorbell, 1);
  EXPECT_EQ(events_.count(event_), 1u);
}

TEST_P(AcceleratedTest, MemoryIsNotShownToIt) {
  std::array<uint8_t, 4> memory = {};
  auto mapping =
      space_.Map(kDoorbell, {.data = memory.data(), .size = memory.size()},
                 Map::kReadWrite);
  ASSERT_TRUE(mapping.ok());
  space_.Write32(kDoorbell, 1);
  EXPECT_THAT(memory, ElementsAre(1, 0, 0, 0));
  mapping->reset();
  // Nor are accesses that lie in it in part.
  auto part = space_.Map(kDoorbell + 3, {.data = memory.data(), .size = 1},
                         Map::kReadWrite);
  ASSERT_TRUE(part.ok());
  space_.Write32(kDoorbell, 1);
  EXPECT_THAT(memory, Each(0));
  EXPECT_EQ(events_.count(event_), 0u);
}

}  // namespace
}  // namespace ivshmem::mock
