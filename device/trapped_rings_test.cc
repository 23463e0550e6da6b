// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/trapped_rings.h"

#include <optional>
#include <vector>

#include "core/doorbell.h"
#include "core/events.h"
#include "core/peer_table.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr uint32_t kOften = TrappedRings::kOften;

class TrappedRingsTest : public ::testing::Test {
 protected:
  // Keeps what is handed on.
  class Next : public DeviceEvents {
   public:
    void OnEvent(const DeviceEvent& event) noexcept override {
      kinds.push_back(event.kind);
    }
    std::vector<DeviceEvent::Kind> kinds;
  };

  TrappedRingsTest() {
    rings_.OnDue([this] { ++due_; });
    rings_.Watch(true);
  }

  void Ring(Doorbell doorbell, uint32_t times,
            RingResult result = RingResult::kDelivered) {
    for (uint32_t i = 0; i < times; ++i) {
      rings_.OnEvent({.kind = DeviceEvent::Kind::kRing,
                      .doorbell = doorbell,
                      .ring = result});
    }
  }

  Next next_;
  TrappedRings rings_{&next_};
  int due_ = 0;
};

// A doorbell that has been rung so often is due, once for each so many rings.
TEST_F(TrappedRingsTest, DueAfterSoManyRings) {
  Ring({7, 1}, kOften - 1);
  EXPECT_EQ(due_, 0);
  EXPECT_EQ(rings_.TakeDue(), std::nullopt);
  Ring({7, 1}, 1);
  EXPECT_EQ(due_, 1);
  Ring({7, 1}, kOften - 1);
  EXPECT_EQ(due_, 1);
  Ring({7, 1}, 1);
  EXPECT_EQ(due_, 2);
}

// Whose turn it is: that one's, once.
TEST_F(TrappedRingsTest, TheTurnIsTakenOnce) {
  Ring({7, 1}, kOften);
  EXPECT_EQ(rings_.TakeDue(), (Doorbell{7, 1}));
  EXPECT_EQ(rings_.TakeDue(), std::nullopt);
}

// Also of the doorbell whose value is 0, and of the greatest.
TEST_F(TrappedRingsTest, AnyDoorbellMayBeDue) {
  Ring({0, 0}, kOften);
  EXPECT_EQ(rings_.TakeDue(), (Doorbell{0, 0}));
  Ring({65535, 65535}, kOften);
  EXPECT_EQ(rings_.TakeDue(), (Doorbell{65535, 65535}));
}

// One at a time: the last that became due.
TEST_F(TrappedRingsTest, TheLastThatIsDue) {
  Ring({7, 1}, kOften);
  Ring({8, 1}, kOften);
  EXPECT_EQ(due_, 2);
  EXPECT_EQ(rings_.TakeDue(), (Doorbell{8, 1}));
  EXPECT_EQ(rings_.TakeDue(), std::nullopt);
}

// Doorbells are counted apart: many that are rung seldom are not due.
TEST_F(TrappedRingsTest, DoorbellsAreCountedApart) {
  Ring({7, 1}, kOften - 1);
  Ring({7, 2}, kOften - 1);
  Ring({8, 1}, kOften - 1);
  EXPECT_EQ(due_, 0);
}

// Nothing counts before somebody wants to know.
TEST(TrappedRingsAloneTest, NobodyHasAskedYet) {
  TrappedRings rings(nullptr);
  for (uint32_t i = 0; i < 2 * kOften; ++i) {
    rings.OnEvent({.kind = DeviceEvent::Kind::kRing, .doorbell = {7, 1}});
  }
  EXPECT_EQ(rings.TakeDue(), std::nullopt);
}

// Nothing counts while nobody wants to know.
TEST_F(TrappedRingsTest, CountsOnlyWhileWatching) {
  rings_.Watch(false);
  Ring({7, 1}, 2 * kOften);
  rings_.Watch(true);
  Ring({7, 1}, kOften - 1);
  EXPECT_EQ(due_, 0);
}

// Rings that reach nobody do not count: there is nothing to bind.
TEST_F(TrappedRingsTest, OnlyDeliveredRingsCount) {
  for (int result = 0; result < static_cast<int>(RingResult::kCount);
       ++result) {
    if (static_cast<RingResult>(result) == RingResult::kDelivered) continue;
    Ring({7, 1}, 2 * kOften, static_cast<RingResult>(result));
  }
  EXPECT_EQ(due_, 0);
}

// Other events are not rings.
TEST_F(TrappedRingsTest, OnlyRingsCount) {
  for (uint32_t i = 0; i < 2 * kOften; ++i) {
    rings_.OnEvent({.kind = DeviceEvent::Kind::kInterrupt, .doorbell = {7, 1}});
  }
  EXPECT_EQ(due_, 0);
}

// All events are handed on, counted or not.
TEST_F(TrappedRingsTest, HandsAllOn) {
  Ring({7, 1}, kOften);
  rings_.Watch(false);
  Ring({7, 1}, 1);
  rings_.OnEvent({.kind = DeviceEvent::Kind::kReset});
  ASSERT_EQ(next_.kinds.size(), kOften + 2);
  EXPECT_EQ(next_.kinds.back(), DeviceEvent::Kind::kReset);
}

// Nobody need be next, and nobody need be told.
TEST(TrappedRingsAloneTest, NobodyIsNext) {
  TrappedRings rings(nullptr);
  rings.Watch(true);
  for (uint32_t i = 0; i < kOften; ++i) {
    rings.OnEvent({.kind = DeviceEvent::Kind::kRing, .doorbell = {7, 1}});
  }
  EXPECT_EQ(rings.TakeDue(), (Doorbell{7, 1}));
}

}  // namespace
}  // namespace ivshmem
