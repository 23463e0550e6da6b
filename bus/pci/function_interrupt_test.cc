// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <vector>

#include "bus/pci/function.h"
#include "bus/pci/function_fixture.h"
#include "bus/pci/msi.h"
#include "bus/pci/msix.h"
#include "bus/pci/registers.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

// What the configuration space means for MSI-X and INTx. The clauses are PCI
// Local Bus 3.0's, in other words.
namespace ivshmem::pci {
namespace {

using FunctionInterruptTest = FunctionTest;
using Levels = std::vector<bool>;
using Messages = std::vector<MsiMessage>;
using Outcome = Msix::Outcome;

constexpr uint16_t kRunning = kCommandMemorySpace | kCommandBusMaster;
constexpr uint16_t kMaskedControl =
    kMsixControlEnable | kMsixControlFunctionMask;

// 6.8.2.3: "Enable and Function Mask"; 6.2.2: "Bus Master".
// Clause: msix-function-mask, msix-bus-master
TEST_F(FunctionInterruptTest, ConfigSpaceGatesMsix) {
  Place();
  EnableMsix();
  Msix& msix = *function_->msix();
  EXPECT_EQ(msix.Deliver(1), Outcome::kSent);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(1)}));
  SetMsixControl(kMaskedControl);
  EXPECT_EQ(msix.Deliver(1), Outcome::kPending);
  SetCommand(kCommandMemorySpace);
  SetMsixControl(kMsixControlEnable);
  EXPECT_EQ(msix.Deliver(1), Outcome::kPending);
  EXPECT_EQ(sink_.Take(), Messages());
  SetCommand(kRunning);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(1)}));
  SetMsixControl(0);
  EXPECT_EQ(msix.Deliver(1), Outcome::kDisabled);
}

// The byte that holds Enable and Function Mask may be written alone.
TEST_F(FunctionInterruptTest, MsixControlByBytes) {
  Place();
  EnableMsix();
  WriteConfig<uint8_t>(*function_, kMsixControl + 1, 0xc0);
  EXPECT_EQ(function_->msix()->Deliver(0), Outcome::kPending);
  WriteConfig<uint8_t>(*function_, kMsixControl, 0);  // Table Size: read-only.
  EXPECT_EQ(sink_.Take(), Messages());
  WriteConfig<uint8_t>(*function_, kMsixControl + 1, 0x80);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
}

// Memory Space gates the guest's accesses, not the function's own.
// Differs: memory-decode-and-interrupts
TEST_F(FunctionInterruptTest, MessagesDoNotNeedMemorySpace) {
  Place();
  EnableMsix();
  SetCommand(kCommandBusMaster);
  EXPECT_EQ(function_->msix()->Deliver(0), Outcome::kSent);
}

// What Linux does to set MSI-X up: mask the function, write the entries, mask
// them all, let the function go, unmask one after the other.
TEST_F(FunctionInterruptTest, LinuxEnablesMsix) {
  Place();
  SetMsixControl(ReadConfig<uint16_t>(*function_, kMsixControl) |
                 kMaskedControl);
  for (int vector = 0; vector < kVectors; ++vector) {
    const uint64_t entry = vector * kMsixTableEntry;
    EXPECT_EQ(Read<uint32_t>(function_->bar(1), entry + 12), 1u);
    Write<uint32_t>(function_->bar(1), entry, 0xfee00000 + 0x1000 * vector);
    Write<uint32_t>(function_->bar(1), entry + 4, 0);
    Write<uint32_t>(function_->bar(1), entry + 8, 0x40 + vector);
  }
  SetCommand(ReadConfig<uint16_t>(*function_, kCommand) |
             kCommandInterruptDisable);
  for (int vector = 0; vector < kVectors; ++vector) {
    Write<uint32_t>(function_->bar(1), vector * kMsixTableEntry + 12, 1);
  }
  function_->msix()->Deliver(2);
  SetMsixControl(kMsixControlEnable);
  EXPECT_EQ(sink_.Take(), Messages());
  for (int vector = 0; vector < kVectors; ++vector) {
    Write<uint32_t>(function_->bar(1), vector * kMsixTableEntry + 12, 0);
  }
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(2)}));
}

TEST_F(FunctionInterruptTest, ListenerHearsOfGates) {
  Place();
  EnableMsix();
  listener_.changes = 0;
  SetMsixControl(kMaskedControl);
  EXPECT_EQ(listener_.changes, 1);
  SetMsixControl(kMaskedControl);
  WriteConfig<uint8_t>(*function_, kInterruptLine, 3);
  SetCommand(kRunning | kCommandIoSpace | kCommandSerr);
  EXPECT_EQ(listener_.changes, 1);
  SetCommand(0);
  EXPECT_EQ(listener_.changes, 2);
}

// When the write that closes a gate has returned, the gate is closed: also for
// a write made while an earlier one's pending messages are being sent.
TEST_F(FunctionInterruptTest, AGateClosedFromInsideSendIsClosed) {
  Place();
  EnableMsix();
  SetMsixControl(kMaskedControl);
  for (int vector = 0; vector < kVectors; ++vector) {
    function_->msix()->Deliver(vector);
  }
  sink_.on_send = [this](const MsiMessage&) {
    SetMsixControl(kMaskedControl);
    EXPECT_EQ(function_->msix()->Deliver(0), Outcome::kPending);
  };
  SetMsixControl(kMsixControlEnable);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(0)}));
  EXPECT_EQ(Read<uint64_t>(function_->bar(1), 0x800), 7u);
}

TEST_F(FunctionInterruptTest, SendMayResetTheFunction) {
  Place();
  EnableMsix();
  sink_.on_send = [this](const MsiMessage&) { function_->Reset(); };
  EXPECT_EQ(function_->msix()->Deliver(0), Outcome::kSent);
  EXPECT_EQ(function_->msix()->Deliver(0), Outcome::kDisabled);
}

// 6.2.2: "Interrupt Disable".
// Clause: pci-interrupt-disable
TEST_F(FunctionInterruptTest, InterruptDisableMovesTheLine) {
  source_.level = true;
  function_->intx()->Settle();
  EXPECT_EQ(line_.levels, Levels({true}));
  SetCommand(kCommandInterruptDisable);
  EXPECT_EQ(line_.levels, Levels({true, false}));
  SetCommand(0);
  EXPECT_EQ(line_.levels, Levels({true, false, true}));
}

// 6.8.2.3: "while MSI-X Enable is 1 the function is prohibited from using its
// INTx# pin."
// Clause: msix-disables-intx
TEST_F(FunctionInterruptTest, MsixSilencesThePin) {
  source_.level = true;
  function_->intx()->Settle();
  SetMsixControl(kMsixControlEnable);
  EXPECT_EQ(line_.levels, Levels({true, false}));
  EXPECT_EQ(ReadConfig<uint16_t>(*function_, kStatus), 0x0018u);
  SetCommand(kCommandInterruptDisable);
  SetMsixControl(0);
  EXPECT_FALSE(line_.level());
  SetCommand(0);
  EXPECT_TRUE(line_.level());
}

TEST_F(FunctionInterruptTest, AFunctionWithoutIntxHasNoPin) {
  FunctionSpec spec = Spec();
  spec.intx = false;
  EXPECT_EQ(Make(spec)->intx(), nullptr);
  EXPECT_NE(Make(spec)->msix(), nullptr);
}

// The line may be a guest's handler, which disables or acknowledges at once.
TEST_F(FunctionInterruptTest, TheLineMayLeadBackHere) {
  source_.level = true;
  line_.on_level = [this](bool asserted) {
    if (!asserted) return;
    EXPECT_EQ(ReadConfig<uint16_t>(*function_, kStatus) & kStatusInterrupt,
              kStatusInterrupt);
    SetCommand(kCommandInterruptDisable);
  };
  function_->intx()->Settle();
  EXPECT_EQ(line_.levels, Levels({true, false}));
}

}  // namespace
}  // namespace ivshmem::pci
