// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <utility>
#include <vector>

#include "bus/pci/msi.h"
#include "bus/pci/msix.h"
#include "bus/pci/msix_fixture.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

// A platform that runs the guest's handler inside Send(). Each of the following
// would hang if a lock were held there.
namespace ivshmem::pci {
namespace {

using Messages = std::vector<MsiMessage>;
using Outcome = Msix::Outcome;
using MsixReentrancyTest = MsixDeliveryTest;

TEST_F(MsixReentrancyTest, SendMayRingAgain) {
  OpenAll();
  int left = 3;
  sink_.on_send = [&](const MsiMessage&) {
    if (left-- > 0) {
      EXPECT_EQ(msix_.Deliver(1), Outcome::kSent);
    }
  };
  EXPECT_EQ(msix_.Deliver(0), Outcome::kSent);
  EXPECT_EQ(sink_.Take(),
            Messages({MessageOf(0), MessageOf(1), MessageOf(1), MessageOf(1)}));
}

TEST_F(MsixReentrancyTest, SendMayMaskAndRing) {
  OpenAll();
  sink_.on_send = [&](const MsiMessage&) {
    SetMask(0, true);
    EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
  };
  EXPECT_EQ(msix_.Deliver(0), Outcome::kSent);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
  EXPECT_TRUE(msix_.pending(0));
}

// Fired from within an unmask, where masking it again is the handler's first
// act, ringing the second, unmasking the last.
TEST_F(MsixReentrancyTest, SendOfAPendingMayMaskRingAndUnmask) {
  OpenAll();
  SetMask(0, true);
  msix_.Deliver(0);
  int left = 2;
  sink_.on_send = [&](const MsiMessage&) {
    if (left-- == 0) return;
    SetMask(0, true);
    EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
    SetMask(0, false);
  };
  SetMask(0, false);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0), MessageOf(0), MessageOf(0)}));
  EXPECT_EQ(Pba(), 0u);
}

// The first of several pending vectors closes the gate before the others fire.
TEST_F(MsixReentrancyTest, SendMayCloseTheGateOnTheRest) {
  OpenAll();
  msix_.SetGates(kFunctionMasked);
  for (int vector = 0; vector < kVectors; ++vector) msix_.Deliver(vector);
  sink_.on_send = [&](const MsiMessage&) { msix_.SetGates(kFunctionMasked); };
  msix_.SetGates(kOpen);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
  EXPECT_EQ(Pba(), 0xeu);
}

TEST_F(MsixReentrancyTest, SendMayReset) {
  OpenAll();
  msix_.SetGates(kFunctionMasked);
  for (int vector = 0; vector < kVectors; ++vector) msix_.Deliver(vector);
  sink_.on_send = [&](const MsiMessage&) { msix_.Reset(); };
  msix_.SetGates(kOpen);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
  EXPECT_EQ(Pba(), 0u);
}

TEST_F(MsixReentrancyTest, ListenerMayRingAndMask) {
  OpenAll();
  bool first = true;
  listener_.on_change = [&] {
    if (!std::exchange(first, false)) return;
    EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
    SetMask(0, false);
  };
  SetMask(0, true);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
}

}  // namespace
}  // namespace ivshmem::pci
