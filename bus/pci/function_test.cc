// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/function.h"

#include <array>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function_fixture.h"
#include "bus/pci/msi.h"
#include "bus/pci/msix.h"
#include "bus/pci/registers.h"
#include "bus/pci/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

// What follows from the configuration space: the BARs, and what a reset does.
// Interrupts are function_interrupt_test's.
namespace ivshmem::pci {
namespace {

using ::testing::HasSubstr;
using Messages = std::vector<MsiMessage>;
using Outcome = Msix::Outcome;

constexpr uint16_t kRunning = kCommandMemorySpace | kCommandBusMaster;
constexpr uint16_t kMaskedControl =
    kMsixControlEnable | kMsixControlFunctionMask;

// Clause: pci-sizing
TEST_F(FunctionTest, BarSizes) {
  EXPECT_EQ(function_->BarSize(0), 0x100u);
  EXPECT_EQ(function_->BarSize(1), 0x1000u);
  EXPECT_EQ(function_->BarSize(2), 0x1000u);
  for (int bar : {-1, 3, 4, 5, 6}) EXPECT_EQ(function_->BarSize(bar), 0u);
}

TEST_F(FunctionTest, BarAddresses) {
  for (int bar = -1; bar <= kBars; ++bar) {
    EXPECT_EQ(function_->BarAddress(bar), std::nullopt);
  }
  Place();
  EXPECT_EQ(function_->BarAddress(0), 0xfebf1000u);
  EXPECT_EQ(function_->BarAddress(1), 0xfebf2000u);
  EXPECT_EQ(function_->BarAddress(2), 0x1c0000000u);
  for (int bar : {-1, 3, 4, 5, 6}) {
    EXPECT_EQ(function_->BarAddress(bar), std::nullopt);
  }
}

// The guest's accesses arrive at what is behind the BAR.
TEST_F(FunctionTest, BarsReachTheirHandlers) {
  Place();
  Write<uint32_t>(function_->bar(0), 0x0c, 0x11223344);
  EXPECT_EQ(registers_.memory[0x0c], 0x44u);
  Write<uint8_t>(function_->bar(2), 0xfff, 0x99);
  EXPECT_EQ(memory_.memory[0xfff], 0x99u);
  EXPECT_EQ(Read<uint32_t>(function_->bar(1), 12), 1u);
}

// "Memory Space 0: the function does not respond", whichever BAR.
// Clause: pci-decode
// Fault: acrn-memory-space
TEST_F(FunctionTest, NoDecodeNoAnswer) {
  Place();
  const auto expect_silence = [this](const char* when) {
    for (int bar = -1; bar <= kBars; ++bar) {
      Write<uint32_t>(function_->bar(bar), 0, 0x12345678);
      EXPECT_EQ(Read<uint32_t>(function_->bar(bar), 0), 0xffffffffu)
          << "BAR " << bar << " " << when;
    }
    EXPECT_EQ(registers_.reads + registers_.writes, 0) << when;
    EXPECT_EQ(memory_.reads + memory_.writes, 0) << when;
  };
  SetCommand(static_cast<uint16_t>(~kCommandMemorySpace));
  expect_silence("with Memory Space off");
  SetCommand(kRunning);
  EXPECT_EQ(Read<uint64_t>(function_->bar(1), 0), 0u);  // Nothing got through.
  function_->Reset();
  expect_silence("after a reset");
  SetCommand(kRunning);
  expect_silence("before it is placed");
}

TEST_F(FunctionTest, BarsThatDoNotExistNeverAnswer) {
  Place();
  for (int bar : {-1, 3, 4, 5, 6, 1 << 20}) {
    Write<uint32_t>(function_->bar(bar), 0, 0);
    EXPECT_EQ(Read<uint64_t>(function_->bar(bar), 0),
              std::numeric_limits<uint64_t>::max());
  }
}

// One BAR being sized while decode is on (a bad habit of some guests) silences
// that BAR only.
TEST_F(FunctionTest, SizingOneBarLeavesTheOthers) {
  Place();
  WriteConfig<uint32_t>(*function_, kBar0, 0xffffffff);
  EXPECT_EQ(function_->BarAddress(0), std::nullopt);
  EXPECT_EQ(Read<uint32_t>(function_->bar(0), 0), 0xffffffffu);
  EXPECT_EQ(Read<uint32_t>(function_->bar(2), 0), 0u);
  WriteConfig<uint32_t>(*function_, kBar0, 0xfebf1000);
  EXPECT_EQ(Read<uint32_t>(function_->bar(0), 0), 0u);
}

// Change tells whether anybody could see a difference.
TEST_F(FunctionTest, ChangeOfDecode) {
  EXPECT_FALSE(WriteConfig<uint32_t>(*function_, kBar0, 0xfebf1000).decode);
  EXPECT_TRUE(
      WriteConfig<uint16_t>(*function_, kCommand, kCommandMemorySpace).decode);
  EXPECT_FALSE(WriteConfig<uint16_t>(*function_, kCommand, kRunning).decode);
  EXPECT_FALSE(WriteConfig<uint8_t>(*function_, kInterruptLine, 11).decode);
  EXPECT_FALSE(WriteConfig<uint32_t>(*function_, kBar0, 0xfebf1000).decode);
  EXPECT_TRUE(WriteConfig<uint32_t>(*function_, kBar0, 0xfebf3000).decode);
  EXPECT_TRUE(WriteConfig<uint8_t>(*function_, kBar0 + 3, 0xe0).decode);
  EXPECT_TRUE(WriteConfig<uint32_t>(*function_, kBar0 + 12, 1).decode);
  EXPECT_TRUE(function_->Reset().decode);
  EXPECT_FALSE(function_->Reset().decode);
}

TEST_F(FunctionTest, FirmwarePlacesBars) {
  ASSERT_TRUE(function_->PlaceBar(0, 0xe0000000).ok());
  ASSERT_TRUE(function_->PlaceBar(2, 0x123456000).ok());
  EXPECT_EQ(function_->BarAddress(0), std::nullopt);  // Decode is the guest's.
  EXPECT_EQ(ReadConfig<uint32_t>(*function_, kBar0), 0xe0000000u);
  SetCommand(kCommandMemorySpace);
  EXPECT_EQ(function_->BarAddress(0), 0xe0000000u);
  EXPECT_EQ(function_->BarAddress(2), 0x123456000u);
  ASSERT_TRUE(function_->PlaceBar(1, 0xe0001000).ok());
  EXPECT_EQ(function_->BarAddress(1), 0xe0001000u);
  EXPECT_EQ(Read<uint32_t>(function_->bar(1), 12), 1u);
  EXPECT_THAT(std::string(function_->PlaceBar(3, 0x1000).message()),
              HasSubstr("BAR 3"));
}

TEST_F(FunctionTest, ResetClosesAllGates) {
  Place();
  EnableMsix();
  SetMsixControl(kMaskedControl);
  function_->msix()->Deliver(0);
  function_->Reset();
  EXPECT_EQ(sink_.Take(), Messages());
  EXPECT_EQ(function_->msix()->Deliver(0), Outcome::kDisabled);
  EXPECT_FALSE(function_->msix()->pending(0));
  for (int bar = 0; bar < kBars; ++bar) {
    EXPECT_EQ(function_->BarAddress(bar), std::nullopt);
  }
  Place();
  EXPECT_EQ(Read<uint64_t>(function_->bar(1), 0), 0u);
  EXPECT_EQ(Read<uint64_t>(function_->bar(1), 8), uint64_t{1} << 32);
}

// Interrupt Disable is forgotten as well, so the line is the source's again.
TEST_F(FunctionTest, ResetForgetsInterruptDisable) {
  SetCommand(kCommandInterruptDisable);
  source_.level = true;
  function_->intx()->Settle();
  EXPECT_FALSE(line_.level());
  function_->Reset();
  EXPECT_TRUE(line_.level());
}

// All of a function's state is what the guest can reach, so a copy of it can be
// carried to another function: table and configuration space written back, and
// the pending bits delivered while Function Mask keeps them.
TEST_F(FunctionTest, StateCanBeCarriedOver) {
  Place();
  EnableMsix();
  SetMsixControl(kMaskedControl);
  function_->msix()->Deliver(2);
  SetMsixControl(kMsixControlEnable | kMsixControlFunctionMask);

  std::array<uint8_t, ConfigSpace::kSize> config;
  function_->ConfigRead(0, absl::MakeSpan(config));
  const auto other = Make(Spec());
  Msix& from = *function_->msix();
  Msix& to = *other->msix();
  for (uint64_t offset = 0; offset < kVectors * kMsixTableEntry; offset += 8) {
    Write<uint64_t>(to, offset, Read<uint64_t>(from, offset));
  }
  WriteConfig<uint16_t>(*other, kMsixControl, kMaskedControl);
  for (int vector = 0; vector < kVectors; ++vector) {
    if (from.pending(vector)) {
      EXPECT_EQ(to.Deliver(vector), Outcome::kPending);
    }
  }
  other->ConfigWrite(0, config);

  EXPECT_EQ(other->BarAddress(2), function_->BarAddress(2));
  EXPECT_EQ(sink_.Take(), Messages());
  WriteConfig<uint16_t>(*other, kMsixControl, kMsixControlEnable);
  EXPECT_EQ(sink_.Take(), Messages({MessageOf(2)}));
}

// A BAR answers from when it is decoded, not before.
TEST_F(FunctionTest, ANewFunctionIsSilent) {
  EXPECT_EQ(Read<uint32_t>(function_->bar(0), 0), 0xffffffffu);
  EXPECT_EQ(registers_.reads, 0);
}

// Each of the six may be a BAR, the last one too.
TEST(SixBarsTest, EachAnswers) {
  FunctionSpec spec = {.vendor_id = 0x1234};
  for (auto& bar : spec.bars) bar = {.size = 16};
  std::array<FakeBar, kBars> bars;
  Function::Dependencies dependencies;
  for (int bar = 0; bar < kBars; ++bar) dependencies.bars[bar] = &bars[bar];
  const auto function = Function::Create(spec, dependencies);
  ASSERT_TRUE(function.ok()) << function.status();
  WriteConfig<uint16_t>(**function, kCommand, kCommandMemorySpace);
  for (int bar = 0; bar < kBars; ++bar) {
    const uint32_t address = 0xfeb00000 + 0x1000 * bar;
    WriteConfig<uint32_t>(**function, kBar0 + 4 * bar, address);
    EXPECT_EQ((*function)->BarAddress(bar), address);
    EXPECT_EQ((*function)->AddressesIn((*function)->Save())[bar], address);
    Write<uint32_t>((*function)->bar(bar), 0, 0x11223344);
    EXPECT_EQ(bars[bar].memory[0], 0x44) << bar;
  }
}

// Everything that may be missing is missing.
TEST(BareFunctionTest, HasConfigSpaceAndNothingElse) {
  const auto function = Function::Create({.vendor_id = 0x1234}, {});
  ASSERT_TRUE(function.ok());
  EXPECT_EQ((*function)->msix(), nullptr);
  EXPECT_EQ((*function)->intx(), nullptr);
  EXPECT_EQ(ReadConfig<uint16_t>(**function, 0), 0x1234u);
  const std::vector<uint8_t> ones(ConfigSpace::kSize, 0xff);
  EXPECT_FALSE((*function)->ConfigWrite(0, ones).decode);
  EXPECT_FALSE((*function)->Reset().decode);
}

}  // namespace
}  // namespace ivshmem::pci
