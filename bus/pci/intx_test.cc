// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/intx.h"

#include <atomic>
#include <thread>
#include <vector>

#include "bus/interrupt_lines.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

namespace ivshmem::pci {
namespace {

using Levels = std::vector<bool>;

class IntxTest : public ::testing::Test {
 protected:
  void SetSource(bool level) {
    source_.level = level;
    intx_.Settle();
  }

  FakeIntxSource source_;
  RecordingLine line_;
  Intx intx_{source_, &line_};
};

// PCI Local Bus 3.0, 2.2.6: "INTx is level sensitive; once asserted it stays so
// until the driver clears the request."
TEST_F(IntxTest, LineFollowsTheSource) {
  SetSource(true);
  EXPECT_EQ(line_.levels, Levels({true}));
  SetSource(false);
  EXPECT_EQ(line_.levels, Levels({true, false}));
}

TEST_F(IntxTest, AnUnchangedLevelIsNotTold) {
  intx_.Settle();
  EXPECT_EQ(line_.levels, Levels({}));
  SetSource(true);
  intx_.Settle();
  intx_.SetDisabled(false);
  EXPECT_EQ(line_.levels, Levels({true}));
}

// 6.2.2: "Interrupt Disable: 1 keeps the function from asserting INTx."
TEST_F(IntxTest, DisableKeepsTheLineLow) {
  intx_.SetDisabled(true);
  SetSource(true);
  EXPECT_EQ(line_.levels, Levels({}));
}

TEST_F(IntxTest, DisableLowersTheLine) {
  SetSource(true);
  intx_.SetDisabled(true);
  EXPECT_EQ(line_.levels, Levels({true, false}));
}

// The request is still there when the function is let again.
TEST_F(IntxTest, EnableAssertsWhatTheSourceStillWants) {
  intx_.SetDisabled(true);
  SetSource(true);
  intx_.SetDisabled(false);
  EXPECT_EQ(line_.levels, Levels({true}));
}

// ... and is gone when it was cleared meanwhile.
TEST_F(IntxTest, EnableDoesNotAssertWhatWasCleared) {
  SetSource(true);
  intx_.SetDisabled(true);
  SetSource(false);
  intx_.SetDisabled(false);
  EXPECT_EQ(line_.levels, Levels({true, false}));
}

// 6.2.3: "Interrupt Status reflects the state of the interrupt in the function,
// whatever Interrupt Disable says."
TEST_F(IntxTest, StatusIgnoresDisable) {
  EXPECT_FALSE(intx_.status());
  SetSource(true);
  EXPECT_TRUE(intx_.status());
  intx_.SetDisabled(true);
  EXPECT_TRUE(intx_.status());
  SetSource(false);
  EXPECT_FALSE(intx_.status());
}

TEST_F(IntxTest, StoreDisabledWaitsForSettle) {
  SetSource(true);
  intx_.StoreDisabled(true);
  EXPECT_EQ(line_.levels, Levels({true}));
  intx_.Settle();
  EXPECT_EQ(line_.levels, Levels({true, false}));
}

TEST(IntxWithoutLineTest, OnlyHasAStatus) {
  FakeIntxSource source;
  Intx intx(source, nullptr);
  source.level = true;
  intx.Settle();
  intx.SetDisabled(true);
  EXPECT_TRUE(intx.status());
}

// A guest that handles the interrupt before SetLevel() returns.
TEST_F(IntxTest, TheLineMayLeadBackHere) {
  line_.on_level = [this](bool asserted) {
    if (asserted) SetSource(false);
  };
  SetSource(true);
  EXPECT_EQ(line_.levels, Levels({true, false}));
}

TEST_F(IntxTest, TheLineMayDisableFromInside) {
  line_.on_level = [this](bool asserted) {
    if (asserted) intx_.SetDisabled(true);
  };
  SetSource(true);
  EXPECT_EQ(line_.levels, Levels({true, false}));
  EXPECT_TRUE(intx_.status());
}

// Whatever the order in which threads change things, the line ends where the
// state says, and never has two calls under way.
TEST(IntxStressTest, LineEndsAtTheStatesLevel) {
  class OneAtATime : public LineSink {
   public:
    void SetLevel(bool asserted) noexcept override {
      if (inside_.exchange(true)) ++overlaps;
      std::this_thread::yield();
      level = asserted;
      inside_ = false;
    }
    bool level = false;  // Not atomic: TSan shows what the settler orders.
    std::atomic<int> overlaps{0};

   private:
    std::atomic<bool> inside_{false};
  };

  for (int round = 0; round < 20; ++round) {
    FakeIntxSource source;
    OneAtATime line;
    Intx intx(source, &line);
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
      threads.emplace_back([&source, &intx, t] {
        for (int i = 0; i < 500; ++i) {
          if (t % 2 == 0) {
            source.level = i % 2 == 0;
            intx.Settle();
          } else {
            intx.SetDisabled(i % 3 == 0);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    // 499 is odd (source low) and not a multiple of 3 (not disabled).
    EXPECT_FALSE(line.level);
    source.level = true;
    intx.Settle();
    EXPECT_TRUE(line.level);
    EXPECT_EQ(line.overlaps, 0);
  }
}

}  // namespace
}  // namespace ivshmem::pci
