// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/cortex_m_machine.h"

#include <cstdint>
#include <memory>
#include <vector>

#include "examples/two_guests/guests/cortex_m/board.h"
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

class CortexMMachineTest : public testing::Test {
 protected:
  CortexMMachineTest()
      : machine_(*CortexMMachine::Create(CortexMTestImage())),
        irq_(machine_->irq(TEST_IRQ)) {
    claim_ = *machine_->mmio().Claim(CORTEX_M_REPORT_ADDRESS, 4, marks_);
  }

  void Start(int scenario) { machine_->engine().Set(UC_ARM_REG_R0, scenario); }

  // Until the guest waits, or `slices` are over.
  State Run(int slices = 100) {
    for (int i = 0; i < slices; ++i) {
      const auto state = machine_->Run(kLong);
      EXPECT_TRUE(state.ok()) << state.status();
      if (!state.ok() || *state == State::kIdle) return State::kIdle;
    }
    return State::kRunning;
  }

  const std::unique_ptr<CortexMMachine> machine_;
  PulseSink& irq_;
  Recorder marks_;
  RegistrationPtr claim_;
};

TEST_F(CortexMMachineTest, HandlesAnIrqAndReturns) {
  Start(SCENARIO_TAKE_AND_RETURN);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), IsEmpty());
  for (int i = 0; i < 3; ++i) {
    marks_.Clear();
    irq_.Pulse();
    EXPECT_EQ(Run(), State::kIdle);
    EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER, MARK_MAIN));
  }
}

TEST_F(CortexMMachineTest, AlignsTheStackOfAHandler) {
  Start(SCENARIO_ODD_STACK);
  EXPECT_EQ(Run(), State::kIdle);
  irq_.Pulse();
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER, MARK_MAIN));
}

TEST_F(CortexMMachineTest, MergesPulsesThatWait) {
  Start(SCENARIO_TAKE_AND_RETURN);
  EXPECT_EQ(Run(), State::kIdle);
  irq_.Pulse();
  irq_.Pulse();
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER, MARK_MAIN));
}

TEST_F(CortexMMachineTest, APulseInTheHandlerRunsItAgain) {
  Start(SCENARIO_TAKE_AND_RETURN);
  EXPECT_EQ(Run(), State::kIdle);
  std::vector<uint32_t> stacks;
  marks_.OnWrite([&](uint32_t) {
    stacks.push_back(machine_->engine().Get(UC_ARM_REG_SP));
    if (stacks.size() == 1) irq_.Pulse();
  });
  irq_.Pulse();
  EXPECT_EQ(Run(), State::kIdle);
  // The second one at once after the first, before the main program goes on.
  EXPECT_THAT(marks_.values(),
              ElementsAre(MARK_HANDLER, MARK_HANDLER, MARK_MAIN));
  EXPECT_EQ(stacks[1], stacks[0]);  // After it, not inside it.
}

TEST_F(CortexMMachineTest, PrimaskHoldsTheHandlerBackButEndsWfi) {
  Start(SCENARIO_MASKED);
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), IsEmpty());
  marks_.OnWrite([&](uint32_t) { machine_->EndSlice(); });
  irq_.Pulse();
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(),
              ElementsAre(MARK_MAIN, MARK_HANDLER, MARK_MAIN + 1));
}

TEST_F(CortexMMachineTest, ALineThatIsNotEnabledDoesNothing) {
  Start(SCENARIO_WAIT_MASKED);
  EXPECT_EQ(Run(), State::kIdle);
  irq_.Pulse();
  EXPECT_EQ(Run(), State::kIdle);
  machine_->irq(TEST_IRQ + 1).Pulse();
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), IsEmpty());
}

TEST_F(CortexMMachineTest, APulseBeforeTheLineIsEnabledIsKept) {
  Start(SCENARIO_TAKE_AND_RETURN);
  irq_.Pulse();
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), ElementsAre(MARK_HANDLER));
}

TEST_F(CortexMMachineTest, SliceEndsThoughTheGuestDoesNot) {
  Start(SCENARIO_SPIN);
  EXPECT_EQ(Run(10), State::kRunning);
}

TEST_F(CortexMMachineTest, ReportsAnAccessToNowhere) {
  Start(SCENARIO_CRASH);
  absl::Status status;
  for (int i = 0; i < 10 && status.ok(); ++i) {
    status = machine_->Run(kLong).status();
  }
  EXPECT_THAT(status.message(), HasSubstr("UC_ERR_READ_UNMAPPED"));
}

TEST_F(CortexMMachineTest, ReportsAnUndefinedInstruction) {
  Start(SCENARIO_UNDEFINED);
  absl::Status status;
  for (int i = 0; i < 10 && status.ok(); ++i) {
    status = machine_->Run(kLong).status();
  }
  EXPECT_THAT(status.message(), HasSubstr("the guest"));
}

TEST_F(CortexMMachineTest, RefusesImagesOfWrongSize) {
  EXPECT_THAT(
      CortexMMachine::Create(std::vector<uint8_t>(7)).status().message(),
      HasSubstr("expected 8 to 65536 bytes, got 7"));
  EXPECT_FALSE(CortexMMachine::Create(std::vector<uint8_t>(65537)).ok());
}

TEST_F(CortexMMachineTest, MemoryAppearsAndGoesWithinASlice) {
  Start(SCENARIO_MEMORY);
  alignas(4096) static uint32_t memory[1024];
  Recorder trapped;
  const auto claim =
      *machine_->mmio().Claim(CORTEX_M_IVSHMEM_MEMORY, 4096, trapped);
  RegistrationPtr mapping;
  marks_.OnWrite([&](uint32_t mark) {
    if (mark == 1) {
      mapping = *machine_->memory().Map(
          CORTEX_M_IVSHMEM_MEMORY,
          {reinterpret_cast<uint8_t*>(memory), sizeof(memory)},
          MemoryAccess::kReadWrite);
    } else {
      mapping = nullptr;
    }
  });
  EXPECT_EQ(Run(), State::kIdle);
  EXPECT_THAT(marks_.values(), ElementsAre(1, 2, 3));
  EXPECT_EQ(memory[0], 0x11111111u);
  EXPECT_EQ(memory[1], 0x22222222u);
  EXPECT_EQ(memory[2], 0x11111111u);
  EXPECT_EQ(memory[3], 0u);
  EXPECT_THAT(trapped.values(), ElementsAre(0x33333333));
}

}  // namespace
}  // namespace ivshmem::two_guests
