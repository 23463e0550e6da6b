// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <optional>
#include <vector>

#include "bus/pci/msi.h"
#include "bus/pci/msix.h"
#include "bus/pci/msix_fixture.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

// What becomes of an interrupt. The clauses are PCI Local Bus 3.0, 6.8.2 and
// 6.8.3, in other words.
namespace ivshmem::pci {
namespace {

using Messages = std::vector<MsiMessage>;
using Outcome = Msix::Outcome;

// "The function sends the entry's data to the entry's address."
// Clause: msix-message
TEST_F(MsixDeliveryTest, SendsTheEntrysMessage) {
  OpenAll();
  for (int vector = 0; vector < kVectors; ++vector) {
    EXPECT_EQ(msix_.Deliver(vector), Outcome::kSent);
    EXPECT_EQ(sink_.Take(), Messages({MessageOf(vector)}));
  }
  EXPECT_EQ(Pba(), 0u);
}

// An interrupt is an event: two that may fire are two messages.
TEST_F(MsixDeliveryTest, SendsEachTime) {
  OpenAll();
  msix_.Deliver(1);
  msix_.Deliver(1);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(1), MessageOf(1)}));
}

// Clause: msix-message
TEST_F(MsixDeliveryTest, UsesTheEntryAsItIsNow) {
  OpenAll();
  Write<uint32_t>(msix_, 8, 0x77);
  Write<uint64_t>(msix_, 0, 0xfee99000);
  msix_.Deliver(0);
  EXPECT_EQ(sink_.Take(), Messages({{.address = 0xfee99000, .data = 0x77}}));
}

TEST_F(MsixDeliveryTest, ThereIsNoOtherVector) {
  OpenAll();
  for (int vector : {-1, kVectors, kVectors + 1, 1 << 30}) {
    EXPECT_EQ(msix_.Deliver(vector), Outcome::kNoSuchVector);
    EXPECT_FALSE(msix_.pending(vector));
    EXPECT_EQ(msix_.Route(vector), std::nullopt);
  }
  EXPECT_EQ(sink_.Take(), Messages());
}

// "While a vector is masked the function must not send its message and must set
// the pending bit; when it is unmasked with the bit set, the message is sent
// and the bit cleared."
// Clause: msix-vector-mask, pending
// Fault: acrn-masked-lost
TEST_F(MsixDeliveryTest, MaskedVectorIsKeptUntilUnmasked) {
  OpenAll();
  SetMask(2, true);
  EXPECT_EQ(msix_.Deliver(2), Outcome::kPending);
  EXPECT_EQ(sink_.Take(), Messages());
  EXPECT_TRUE(msix_.pending(2));
  EXPECT_EQ(Pba(), 1u << 2);
  SetMask(2, false);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(2)}));
  EXPECT_FALSE(msix_.pending(2));
  EXPECT_EQ(Pba(), 0u);
}

// "The state is one bit": what is masked merges.
// Clause: msix-vector-mask
TEST_F(MsixDeliveryTest, KeptInterruptsMerge) {
  OpenAll();
  SetMask(0, true);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
  SetMask(0, false);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
  SetMask(0, true);
  SetMask(0, false);
  EXPECT_EQ(sink_.Take(), Messages());
}

// Clause: vectors
TEST_F(MsixDeliveryTest, AMaskConcernsItsOwnVector) {
  OpenAll();
  SetMask(0, true);
  EXPECT_EQ(msix_.Deliver(1), Outcome::kSent);
  EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
  SetMask(1, true);
  SetMask(1, false);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(1)}));
}

// "Only bit 0 of the vector control masks."
TEST_F(MsixDeliveryTest, ReservedControlBitsDoNotMask) {
  OpenAll();
  Write<uint32_t>(msix_, 12, 0xfffffffe);
  EXPECT_EQ(msix_.Deliver(0), Outcome::kSent);
  Write<uint32_t>(msix_, 12, 0xffffffff);
  EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
}

// A quadword write of data and control unmasks with the data that it brings.
TEST_F(MsixDeliveryTest, QuadwordUnmaskSendsTheNewData) {
  OpenAll();
  SetMask(0, true);
  msix_.Deliver(0);
  Write<uint64_t>(msix_, 8, 0x99);
  EXPECT_EQ(sink_.Take(),
            Messages({{.address = MessageOf(0).address, .data = 0x99}}));
}

// A message changed while masked: the pending interrupt goes where the guest
// says at the end (as when Linux moves an interrupt to another CPU).
TEST_F(MsixDeliveryTest, PendingFollowsAChangedEntry) {
  OpenAll();
  SetMask(0, true);
  msix_.Deliver(0);
  Write<uint32_t>(msix_, 0, 0xfee0f000);
  Write<uint32_t>(msix_, 8, 0x55);
  EXPECT_EQ(sink_.Take(), Messages());
  SetMask(0, false);
  EXPECT_EQ(sink_.Take(), Messages({{.address = 0x1fee0f000, .data = 0x55}}));
}

// "Function Mask 1: all vectors are masked, whatever their own bits say."
// Clause: msix-function-mask
// Fault: acrn-masked-lost
TEST_F(MsixDeliveryTest, FunctionMaskKeepsAll) {
  OpenAll();
  SetMask(3, true);
  msix_.SetGates(kFunctionMasked);
  for (int vector = 0; vector < kVectors; ++vector) {
    EXPECT_EQ(msix_.Deliver(vector), Outcome::kPending);
  }
  EXPECT_EQ(Pba(), 0xfu);
  EXPECT_EQ(sink_.Take(), Messages());
  msix_.SetGates(kOpen);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0), MessageOf(1), MessageOf(2)}));
  EXPECT_EQ(Pba(), 1u << 3);
  SetMask(3, false);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(3)}));
}

// Unmasking a vector under Function Mask lets nothing out.
// Clause: msix-function-mask
TEST_F(MsixDeliveryTest, BothMasksMustGo) {
  OpenAll();
  SetMask(0, true);
  msix_.SetGates(kFunctionMasked);
  msix_.Deliver(0);
  SetMask(0, false);
  EXPECT_EQ(sink_.Take(), Messages());
  msix_.SetGates(kOpen);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
}

// 6.2.2: "Bus Master 0 keeps the function from writing to memory", and a
// message is such a write. It is kept, not lost.
// Clause: msix-bus-master
// Differs: qemu-bus-master
TEST_F(MsixDeliveryTest, WithoutBusMasterInterruptsAreKept) {
  OpenAll();
  msix_.SetGates(kNoBusMaster);
  EXPECT_EQ(msix_.Deliver(1), Outcome::kPending);
  EXPECT_EQ(sink_.Take(), Messages());
  msix_.SetGates(kOpen);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(1)}));
}

TEST_F(MsixDeliveryTest, BusMasterAndFunctionMaskBothGate) {
  OpenAll();
  msix_.SetGates({.enabled = true, .function_mask = true});
  msix_.Deliver(1);
  msix_.SetGates(kNoBusMaster);
  EXPECT_EQ(sink_.Take(), Messages());
  msix_.SetGates(kFunctionMasked);
  EXPECT_EQ(sink_.Take(), Messages());
  msix_.SetGates(kOpen);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(1)}));
}

// "MSI-X Enable 0: the function may not use MSI-X." Interrupts are lost then.
// Differs: msix-disabled
TEST_F(MsixDeliveryTest, WhileDisabledInterruptsAreLost) {
  OpenAll();
  msix_.SetGates(kDisabled);
  EXPECT_EQ(msix_.Deliver(0), Outcome::kDisabled);
  SetMask(1, true);
  EXPECT_EQ(msix_.Deliver(1), Outcome::kDisabled);
  EXPECT_EQ(Pba(), 0u);
  msix_.SetGates(kOpen);
  SetMask(1, false);
  EXPECT_EQ(sink_.Take(), Messages());
}

// What was pending before stays, can be read, and fires after.
TEST_F(MsixDeliveryTest, PendingBitsOutliveDisable) {
  OpenAll();
  SetMask(0, true);
  msix_.Deliver(0);
  msix_.SetGates(kDisabled);
  EXPECT_EQ(Pba(), 1u);
  SetMask(0, false);
  EXPECT_EQ(sink_.Take(), Messages());
  EXPECT_EQ(Pba(), 1u);
  msix_.SetGates(kOpen);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
}

TEST_F(MsixDeliveryTest, StoredGatesAreInForceBeforeSettle) {
  OpenAll();
  ASSERT_TRUE(msix_.StoreGates(kFunctionMasked));
  EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
  ASSERT_TRUE(msix_.StoreGates(kOpen));
  EXPECT_EQ(sink_.Take(), Messages());
  EXPECT_FALSE(msix_.StoreGates(kOpen));
  msix_.Settle();
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
}

TEST_F(MsixDeliveryTest, ResetMasksAndForgets) {
  OpenAll();
  SetMask(0, true);
  msix_.Deliver(0);
  msix_.Reset();
  EXPECT_EQ(Pba(), 0u);
  EXPECT_EQ(msix_.Deliver(1), Outcome::kPending);  // The gates are as before.
  EXPECT_EQ(sink_.Take(), Messages());
}

// What Route() gives is what Deliver() would send.
TEST_F(MsixDeliveryTest, RouteIsWhatWouldBeSent) {
  OpenAll();
  EXPECT_EQ(msix_.Route(1), MessageOf(1));
  SetMask(1, true);
  EXPECT_EQ(msix_.Route(1), std::nullopt);
  SetMask(1, false);
  for (const Msix::Gates& gates : {kFunctionMasked, kNoBusMaster, kDisabled}) {
    msix_.SetGates(gates);
    EXPECT_EQ(msix_.Route(1), std::nullopt);
  }
  msix_.SetGates(kOpen);
  EXPECT_EQ(msix_.Route(1), MessageOf(1));
}

// The listener hears of what may change a route, and of nothing else.
TEST_F(MsixDeliveryTest, ListenerHearsOfRoutes) {
  OpenAll();
  const auto changes = [this] { return listener_.changes.exchange(0); };
  changes();
  SetMask(0, true);
  EXPECT_EQ(changes(), 1);
  SetMask(0, true);
  EXPECT_EQ(changes(), 0);
  Write<uint32_t>(msix_, 8, 0x99);  // Masked: there is no route to change.
  EXPECT_EQ(changes(), 0);
  SetMask(0, false);
  EXPECT_EQ(changes(), 1);
  Write<uint32_t>(msix_, 8, 0x98);
  EXPECT_EQ(changes(), 1);
  Write<uint32_t>(msix_, 8, 0x98);
  EXPECT_EQ(changes(), 0);
  msix_.SetGates(kNoBusMaster);
  EXPECT_EQ(changes(), 1);
  msix_.SetGates(kNoBusMaster);
  EXPECT_EQ(changes(), 0);
  msix_.Deliver(0);
  EXPECT_EQ(changes(), 0);
  msix_.Reset();
  EXPECT_EQ(changes(), 1);
}

TEST_F(MsixDeliveryTest, ListenerFindsTheNewRoute) {
  OpenAll();
  std::optional<MsiMessage> seen;
  listener_.on_change = [&] { seen = msix_.Route(0); };
  SetMask(0, true);
  EXPECT_EQ(seen, std::nullopt);
  SetMask(0, false);
  EXPECT_EQ(seen, MessageOf(0));
}

// Without a sink a message goes nowhere, but it goes.
TEST(MsixWithoutSinkTest, Sends) {
  Msix msix(1, nullptr, nullptr);
  msix.SetGates(kOpen);
  EXPECT_EQ(msix.Deliver(0), Outcome::kPending);
  Write<uint32_t>(msix, 12, 0);
  EXPECT_FALSE(msix.pending(0));
  EXPECT_EQ(msix.Deliver(0), Outcome::kSent);
}

// A table's gates are closed until they are set, so the first change of one is
// a change.
TEST_F(MsixDeliveryTest, TheFirstGateToOpen) {
  SetMask(0, false);
  EXPECT_TRUE(msix_.StoreGates(kNoBusMaster));
  EXPECT_EQ(msix_.Deliver(0), Outcome::kPending);
  for (bool Msix::Gates::*gate :
       {&Msix::Gates::enabled, &Msix::Gates::function_mask,
        &Msix::Gates::bus_master}) {
    Msix::Gates gates;
    gates.*gate = true;
    EXPECT_TRUE(Msix(1, nullptr, nullptr).StoreGates(gates));
  }
}

// A vector of which a state says nothing has no message, and none pending.
TEST(MsixRestoreTest, AVectorThatWasNotSaved) {
  Msix msix(MsixState(1), nullptr, nullptr);
  EXPECT_EQ(Read<uint64_t>(msix, 0), 0u);
  EXPECT_EQ(Read<uint64_t>(msix, 8), 0u);
  EXPECT_FALSE(msix.pending(0));
}

}  // namespace
}  // namespace ivshmem::pci
