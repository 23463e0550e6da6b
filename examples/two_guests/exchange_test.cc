// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The guests' exchange, compiled for this machine: both sides in one process,
// where a test can do to either what no guest of ours does.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

extern "C" {
#include "examples/two_guests/guests/exchange.h"
}

namespace {

using Events = std::vector<std::pair<uint32_t, uint32_t>>;
Events* events = nullptr;

}  // namespace

extern "C" void Report(uint32_t event, uint32_t argument) {
  events->emplace_back(event, argument);
}

namespace ivshmem::two_guests {
namespace {

using ::testing::Contains;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Pair;

constexpr uint32_t kNotRung = 0xffffffff;

class ExchangeTest : public testing::Test {
 protected:
  ExchangeTest() {
    events = &events_;
    x86_ = {.shared = shared_.get(),
            .side = kSideX86,
            .doorbell = &doorbells_[kSideX86],
            .messages = 3,
            .own_id = 7};
    cortex_m_ = {.shared = shared_.get(),
                 .side = kSideCortexM,
                 .doorbell = &doorbells_[kSideCortexM],
                 .own_id = 9,
                 .sequence = 1};
  }

  // Whether the guest has rung since the last time, and what.
  uint32_t Rung(Side side) { return std::exchange(doorbells_[side], kNotRung); }

  // Both have met, and x86's first request is in its ring.
  void Meet() {
    EXPECT_FALSE(ExchangeMeet(&x86_));
    EXPECT_TRUE(ExchangeMeet(&cortex_m_));
    ExchangeStart(&x86_);
    EXPECT_EQ(Rung(kSideX86), 9u << 16 | kVectorMessage);
  }

  static std::pair<uint32_t, uint32_t> Failure(uint32_t failure,
                                               uint32_t sequence) {
    return {kReportFailed, failure << 24 | sequence};
  }

  const std::unique_ptr<SharedLayout> shared_ =
      std::make_unique<SharedLayout>();
  uint32_t doorbells_[kSides] = {kNotRung, kNotRung};
  Exchange x86_, cortex_m_;
  Events events_;
};

TEST_F(ExchangeTest, GoesToAndFroAndEnds) {
  Meet();
  for (uint32_t i = 1; i <= 3; ++i) {
    EXPECT_THAT(events_, Contains(Pair(kReportRequestSent, i)));
    ExchangeInterrupt(&cortex_m_);
    EXPECT_EQ(Rung(kSideCortexM), 7u << 16 | kVectorMessage);
    ExchangeInterrupt(&x86_);
    EXPECT_EQ(Rung(kSideX86), 9u << 16 | kVectorMessage);
    EXPECT_THAT(events_, Contains(Pair(kReportAnswerChecked, i)));
  }
  EXPECT_THAT(events_, Contains(Pair(kReportDone, 0)).Times(1));
  ExchangeInterrupt(&cortex_m_);  // The goodbye.
  EXPECT_EQ(Rung(kSideCortexM), kNotRung);
  EXPECT_THAT(events_, Contains(Pair(kReportDone, 0)).Times(2));
  EXPECT_THAT(events_, Not(Contains(Pair(kReportFailed, testing::_))));
  EXPECT_EQ(x86_.bytes_sent, cortex_m_.bytes_checked);
  EXPECT_EQ(cortex_m_.bytes_sent, x86_.bytes_checked);
  EXPECT_EQ(cortex_m_.checked, 4u);
}

TEST_F(ExchangeTest, WhoeverComesFirst) {
  EXPECT_FALSE(ExchangeMeet(&cortex_m_));
  ExchangeStart(&x86_);
  EXPECT_EQ(Rung(kSideX86), 9u << 16 | kVectorMessage);
  ExchangeInterrupt(&cortex_m_);  // Only now it finds whom to answer.
  EXPECT_EQ(Rung(kSideCortexM), 7u << 16 | kVectorMessage);
}

TEST_F(ExchangeTest, AHelloWakesTheOneThatCameFirst) {
  ExchangeStart(&x86_);
  EXPECT_EQ(Rung(kSideX86), kNotRung);
  ASSERT_TRUE(ExchangeMeet(&cortex_m_));
  ExchangeHello(&cortex_m_);
  EXPECT_EQ(Rung(kSideCortexM), 7u << 16 | kVectorHello);
  ExchangeStart(&x86_);
  EXPECT_EQ(Rung(kSideX86), 9u << 16 | kVectorMessage);
  ExchangeStart(&x86_);  // A second hello changes nothing.
  EXPECT_EQ(Rung(kSideX86), kNotRung);
}

TEST_F(ExchangeTest, AnInterruptWithoutMessageDoesNothing) {
  ExchangeInterrupt(&x86_);  // Before there is anyone.
  EXPECT_THAT(events_, IsEmpty());
  ExchangeStart(&x86_);
  ASSERT_TRUE(ExchangeMeet(&cortex_m_));
  events_.clear();
  ExchangeInterrupt(&cortex_m_);
  EXPECT_THAT(events_, IsEmpty());
  EXPECT_EQ(Rung(kSideX86), kNotRung);
  EXPECT_EQ(Rung(kSideCortexM), kNotRung);
}

TEST_F(ExchangeTest, FindsAWrongEcho) {
  Meet();
  cortex_m_.expected_echo = 1;
  ExchangeInterrupt(&cortex_m_);
  EXPECT_THAT(events_, Contains(Failure(kFailureBadEcho, 1)));
  EXPECT_EQ(Rung(kSideCortexM), kNotRung);
}

TEST_F(ExchangeTest, FindsAWrongSequence) {
  Meet();
  cortex_m_.sequence = 2;
  ExchangeInterrupt(&cortex_m_);
  EXPECT_THAT(events_, Contains(Failure(kFailureBadSequence, 2)));
}

TEST_F(ExchangeTest, FindsAWrongByte) {
  Meet();
  shared_->ring[kSideX86].data[5] ^= 1;
  ExchangeInterrupt(&cortex_m_);
  EXPECT_THAT(events_, Contains(Failure(kFailureBadChecksum, 1)));
}

TEST_F(ExchangeTest, FindsALengthThatCannotBe) {
  Meet();
  shared_->ring[kSideX86].data[1] = kMaxPayloadBytes + 1;
  ExchangeInterrupt(&cortex_m_);
  EXPECT_THAT(events_, Contains(Failure(kFailureBadLength, 1)));
}

TEST_F(ExchangeTest, FindsAMessageThatIsNotComplete) {
  Meet();
  shared_->ring[kSideX86].written -= 4;
  ExchangeInterrupt(&cortex_m_);
  EXPECT_THAT(events_, Contains(Failure(kFailureTorn, 1)));
}

TEST_F(ExchangeTest, FindsThatItsRingIsFull) {
  Meet();
  shared_->ring[kSideCortexM].read -= kRingBytes - 8;
  ExchangeInterrupt(&cortex_m_);
  EXPECT_THAT(events_, Contains(Failure(kFailureRingFull, 1)));
}

}  // namespace
}  // namespace ivshmem::two_guests
