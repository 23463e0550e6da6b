// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/x86_machine.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "examples/two_guests/guests/x86/board.h"
#include "examples/two_guests/test_guests/images.h"
#include "examples/two_guests/test_guests/scenarios.h"
#include "examples/two_guests/test_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

using State = Machine::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int kLong = 1000;
constexpr pci::MsiMessage kMessage = {0xfee00000, TEST_INTERRUPT};

class X86MachineTest : public testing::Test {
 protected:
  X86MachineTest() : machine_(*X86Machine::Create(X86TestImage())) {
    claim_ = *machine_->ports().Claim(X86_REPORT_PORT, 4, marks_);
  }

  void Start(int scenario) { machine_->engine().Set(UC_X86_REG_EAX, scenario); }

  State Run(int blocks = kLong) {
    const auto state = machine_->Run(blocks);
    EXPECT_TRUE(state.ok()) << state.status();
    return state.value_or(State::kIdle);
  }

  const std::unique_ptr<X86Machine> machine_;
  Recorder marks_;
  RegistrationPtr claim_;
};

TEST_F(X86MachineTest, HandlesAnInterruptAndReturns) {
  Start(SCENARIO_TAKE_AND_RETURN);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), IsEmpty());
  EXPECT_EQ(Run(), State::kIdle);
  for (int i = 0; i < 3; ++i) {
    marks_.Clear();
    machine_->msi().Send(kMessage);
    EXPECT_EQ(Run(), State::kIdle);
    EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER, MARK_MAIN));
  }
}

TEST_F(X86MachineTest, AnInterruptGateTurnsInterruptsOff) {
  Start(SCENARIO_TAKE_AND_RETURN);
  EXPECT_EQ(Run(), State::kIdle);
  std::vector<bool> on;
  marks_.OnWrite([&](uint32_t) {
    on.push_back((machine_->engine().Get(UC_X86_REG_EFLAGS) & 0x200) != 0);
  });
  machine_->msi().Send(kMessage);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(on, ElementsAre(false, true));  // Handler, main program.
}

TEST_F(X86MachineTest, AMessageEndsTheSlice) {
  Start(SCENARIO_MEMORY);
  marks_.OnWrite([&](uint32_t) { machine_->msi().Send(kMessage); });
  EXPECT_EQ(Run(), State::kRunning);
  EXPECT_THAT(marks_.values(), ElementsAre(1));
}

TEST_F(X86MachineTest, AMessageToADisabledApicIsLost) {
  Start(SCENARIO_TAKE_AND_RETURN);
  machine_->msi().Send(kMessage);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), IsEmpty());
}

TEST_F(X86MachineTest, MergesMessagesThatWait) {
  Start(SCENARIO_TAKE_AND_RETURN);
  EXPECT_EQ(Run(), State::kIdle);
  machine_->msi().Send(kMessage);
  machine_->msi().Send(kMessage);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER, MARK_MAIN));
}

TEST_F(X86MachineTest, InterruptsWaitForSti) {
  Start(SCENARIO_MASKED);
  EXPECT_EQ(Run(1), State::kRunning);  // The APIC is on, sti has not come.
  machine_->msi().Send(kMessage);
  while (marks_.values().empty()) Run(1);
  EXPECT_THAT(marks_.values(), ElementsAre(MARK_MAIN));
  for (int i = 0; i < 20; ++i) Run(1);
  EXPECT_THAT(marks_.values(),
              ElementsAre(MARK_MAIN, MARK_HANDLER, MARK_MAIN + 1));
}

TEST_F(X86MachineTest, HaltWithInterruptsOffIsForEver) {
  Start(SCENARIO_WAIT_MASKED);
  EXPECT_EQ(Run(), State::kIdle);
  machine_->msi().Send(kMessage);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), IsEmpty());
}

// Whatever block a slice ends at, an interrupt that comes there wakes the guest
// from the halt it was about to begin.
TEST_F(X86MachineTest, AnInterruptBetweenStiAndHaltEndsTheHalt) {
  for (int blocks = 1; blocks < 6; ++blocks) {
    SCOPED_TRACE(blocks);
    const auto machine = *X86Machine::Create(X86TestImage());
    Recorder marks;
    const auto claim = *machine->ports().Claim(X86_REPORT_PORT, 4, marks);
    machine->engine().Set(UC_X86_REG_EAX, SCENARIO_TAKE_AND_RETURN);
    ASSERT_TRUE(machine->Run(blocks).ok());
    machine->msi().Send(kMessage);
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(machine->Run(kLong).ok());
    EXPECT_THAT(marks.values(), ElementsAre(MARK_HANDLER, MARK_MAIN));
  }
}

TEST_F(X86MachineTest, OneInterruptAtATimeUntilItsEnd) {
  Start(SCENARIO_NO_EOI);
  EXPECT_EQ(Run(), State::kIdle);
  machine_->msi().Send(kMessage);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER));
  machine_->msi().Send(kMessage);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER));
}

TEST_F(X86MachineTest, IgnoresMessagesThatAreNotForIt) {
  Start(SCENARIO_TAKE_AND_RETURN);
  EXPECT_EQ(Run(), State::kIdle);
  machine_->msi().Send({0xfee01000, TEST_INTERRUPT});  // Another processor.
  machine_->msi().Send({0xfed00000, TEST_INTERRUPT});  // Not the APIC.
  machine_->msi().Send({0xfee00000, 0x400 | TEST_INTERRUPT});  // NMI.
  machine_->msi().Send({0xfee00000, 3});                       // An exception.
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), IsEmpty());
}

TEST_F(X86MachineTest, SliceEndsThoughTheGuestDoesNot) {
  Start(SCENARIO_SPIN);
  EXPECT_EQ(Run(10), State::kRunning);
  EXPECT_EQ(Run(10), State::kRunning);
}

TEST_F(X86MachineTest, ReportsAnAccessToNowhere) {
  Start(SCENARIO_CRASH);
  const auto state = machine_->Run(kLong);
  EXPECT_THAT(state.status().message(), HasSubstr("UC_ERR_READ_UNMAPPED"));
  EXPECT_THAT(state.status().message(), HasSubstr("0x1000"));
}

TEST_F(X86MachineTest, ReportsAnInterruptWithoutGate) {
  Start(SCENARIO_NO_GATE);
  EXPECT_EQ(Run(), State::kIdle);
  machine_->msi().Send(kMessage);
  EXPECT_THAT(machine_->Run(kLong).status().message(),
              HasSubstr("interrupt 0x40 has no gate"));
}

TEST_F(X86MachineTest, RefusesAnImageThatDoesNotFit) {
  const std::vector<uint8_t> image(X86_RAM_SIZE - X86_IMAGE_ADDRESS + 1);
  EXPECT_THAT(X86Machine::Create(image).status().message(),
              HasSubstr("expected at most 1048576 bytes, got 1048577"));
}

// Maps and unmaps from inside the guest's port write, as a write to a BAR does.
TEST_F(X86MachineTest, MemoryAppearsAndGoesWithinASlice) {
  Start(SCENARIO_MEMORY);
  alignas(4096) static uint32_t memory[1024];
  Recorder trapped;
  const auto claim =
      *machine_->mmio().Claim(X86_PCI_HOLE_ADDRESS, 4096, trapped);
  RegistrationPtr mapping;
  marks_.OnWrite([&](uint32_t mark) {
    if (mark == 1) {
      mapping = *machine_->memory().Map(
          X86_PCI_HOLE_ADDRESS,
          {reinterpret_cast<uint8_t*>(memory), sizeof(memory)},
          MemoryAccess::kReadWrite);
    } else {
      mapping = nullptr;
    }
  });
  while (Run() != State::kIdle) {
  }
  EXPECT_THAT(marks_.values(), ElementsAre(1, 2, 3));
  EXPECT_EQ(memory[0], 0x11111111u);
  EXPECT_EQ(memory[1], 0x22222222u);
  EXPECT_EQ(memory[2], 0x11111111u);
  EXPECT_EQ(memory[3], 0u);
  EXPECT_THAT(trapped.values(), ElementsAre(0x33333333));
}

TEST_F(X86MachineTest, ReadOnlyMemoryTakesNoWrites) {
  Start(SCENARIO_MEMORY);
  alignas(4096) static uint32_t memory[1024] = {0x77777777};
  const auto mapping = *machine_->memory().Map(
      X86_PCI_HOLE_ADDRESS,
      {reinterpret_cast<uint8_t*>(memory), sizeof(memory)},
      MemoryAccess::kReadOnly);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_EQ(machine_->engine().Get(UC_X86_REG_EBX), 0x77777777u);
  EXPECT_EQ(memory[0], 0x77777777u);
  EXPECT_EQ(memory[2], 0u);
}

TEST_F(X86MachineTest, RefusesMemoryThatItCannotMap) {
  alignas(4096) static uint8_t memory[8192];
  auto& mapper = machine_->memory();
  constexpr auto kAccess = MemoryAccess::kReadWrite;
  const uint64_t base = X86_PCI_HOLE_ADDRESS;
  EXPECT_FALSE(mapper.Map(base, {memory, 100}, kAccess).ok());
  EXPECT_FALSE(mapper.Map(base + 256, {memory, 4096}, kAccess).ok());
  EXPECT_FALSE(mapper.Map(base - 4096, {memory, 4096}, kAccess).ok());
  EXPECT_FALSE(
      mapper.Map(base + X86_PCI_HOLE_SIZE - 4096, {memory, 8192}, kAccess)
          .ok());
  const auto first = mapper.Map(base + 4096, {memory, 4096}, kAccess);
  EXPECT_TRUE(first.ok());
  EXPECT_FALSE(mapper.Map(base, {memory, 8192}, kAccess).ok());
  EXPECT_FALSE(mapper.Map(base + 4096, {memory, 4096}, kAccess).ok());
  EXPECT_TRUE(mapper.Map(base, {memory, 4096}, kAccess).ok());
}

// Unicorn would run the basic block again if it were stopped inside an access.
TEST_F(X86MachineTest, EndingASliceInAnAccessDoesNotRepeatIt) {
  Start(SCENARIO_MEMORY);
  Recorder trapped;
  const auto claim = *machine_->mmio().Claim(X86_PCI_HOLE_ADDRESS, 16, trapped);
  trapped.OnWrite([&](uint32_t) { machine_->EndSlice(); });
  while (Run() != State::kIdle) {
  }
  EXPECT_THAT(trapped.values(),
              ElementsAre(0x11111111, 0x22222222, 0xffffffff, 0x33333333));
}

}  // namespace
}  // namespace ivshmem::two_guests
