// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/accelerator.h"

#include <array>
#include <memory>
#include <optional>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using MissPolicy = DoorbellAccelerator::MissPolicy;

constexpr uint64_t kDoorbell = 0x100c;

class AcceleratorTest : public ::testing::TestWithParam<MissPolicy> {
 protected:
  AcceleratorTest()
      : accelerator_(&events_, {.miss_policy = GetParam(),
                                .capacity = 2,
                                .log = &log_,
                                .faults = &faults_}),
        event_(events_.Create()) {}

  bool Write(uint64_t address, const std::vector<uint8_t>& bytes) {
    return accelerator_.Access(address, absl::MakeConstSpan(bytes));
  }

  // What was read, or nothing when the access does not end here.
  std::optional<std::vector<uint8_t>> Read(uint64_t address, size_t size) {
    std::vector<uint8_t> bytes(size, 0xaa);
    if (!accelerator_.Access(address, absl::MakeSpan(bytes))) {
      EXPECT_EQ(bytes, std::vector<uint8_t>(size, 0xaa));
      return std::nullopt;
    }
    return bytes;
  }

  bool swallows() const { return GetParam() == MissPolicy::kSwallowed; }

  Log log_;
  Faults faults_;
  Events events_;
  Accelerator accelerator_;
  const EventHandle event_;
};

INSTANTIATE_TEST_SUITE_P(Policies, AcceleratorTest,
                         ::testing::Values(MissPolicy::kFallsThrough,
                                           MissPolicy::kSwallowed));

TEST_P(AcceleratorTest, AMatchSignals) {
  EXPECT_EQ(accelerator_.miss_policy(), GetParam());
  auto bound = accelerator_.Bind(kDoorbell, 0x00010002, event_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_TRUE(Write(kDoorbell, {2, 0, 1, 0}));
  EXPECT_EQ(events_.count(event_), 1u);
}

TEST_P(AcceleratorTest, OnlyFourBytesAtTheAddressMatch) {
  auto bound = accelerator_.Bind(kDoorbell, 0, event_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(Write(kDoorbell, {1, 0, 0, 0}), swallows());
  EXPECT_EQ(Write(kDoorbell, {0}), swallows());
  EXPECT_EQ(Write(kDoorbell + 2, {0, 0}), swallows());
  EXPECT_EQ(Write(kDoorbell + 3, {0}), swallows());
  // Not inside the four bytes.
  EXPECT_FALSE(Write(kDoorbell + 2, {0, 0, 0, 0}));
  EXPECT_FALSE(Write(kDoorbell - 1, {0}));
  EXPECT_FALSE(Write(kDoorbell + 4, {0}));
  EXPECT_FALSE(Write(kDoorbell + 4, {0, 0, 0, 0}));
  EXPECT_FALSE(Write(kDoorbell - 4, {0, 0, 0, 0}));
  EXPECT_FALSE(Write(kDoorbell, {0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_FALSE(Write(kDoorbell - 4, {0, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(events_.count(event_), 0u);
}

TEST_P(AcceleratorTest, ReadsAreSwallowedOnlyWhereMissesAre) {
  auto bound = accelerator_.Bind(kDoorbell, 0, event_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  if (swallows()) {
    EXPECT_EQ(Read(kDoorbell, 4), std::vector<uint8_t>(4));
    EXPECT_EQ(Read(kDoorbell + 1, 2), std::vector<uint8_t>(2));
  } else {
    EXPECT_EQ(Read(kDoorbell, 4), std::nullopt);
  }
  EXPECT_EQ(Read(kDoorbell + 1, 4), std::nullopt);
  EXPECT_EQ(Read(kDoorbell - 4, 4), std::nullopt);
  EXPECT_EQ(Read(kDoorbell, 8), std::nullopt);
}

TEST_P(AcceleratorTest, NothingIsSwallowedWithoutABinding) {
  auto bound = accelerator_.Bind(kDoorbell, 7, event_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  bound->reset();
  EXPECT_EQ(accelerator_.size(), 0u);
  EXPECT_FALSE(Write(kDoorbell, {7, 0, 0, 0}));
  EXPECT_EQ(Read(kDoorbell, 4), std::nullopt);
}

TEST_P(AcceleratorTest, AddressZeroHasNothingBelow) {
  auto bound = accelerator_.Bind(0, 7, event_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_EQ(Write(0, {1}), swallows());
  EXPECT_EQ(Write(1, {1}), swallows());
  EXPECT_FALSE(Write(~uint64_t{0}, {1}));
}

TEST_P(AcceleratorTest, TheLastAddressHasNothingAbove) {
  auto bound = accelerator_.Bind(~uint64_t{0}, 7, event_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  EXPECT_FALSE(Write(0, {1}));
  EXPECT_FALSE(Write(2, {1}));
}

TEST_P(AcceleratorTest, LogsBindingsAndRefusals) {
  auto bound = accelerator_.Bind(kDoorbell, 1, event_);
  ASSERT_TRUE(bound.ok()) << bound.status();
  auto again = accelerator_.Bind(kDoorbell, 1, event_);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(again.status().message(), HasSubstr("0x100c, got 0x1"));
  auto unknown = accelerator_.Bind(kDoorbell, 2, {9});
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kNotFound);
  auto second = accelerator_.Bind(kDoorbell + 0x1000, 1, event_);
  ASSERT_TRUE(second.ok()) << second.status();
  auto third = accelerator_.Bind(kDoorbell, 3, event_);
  EXPECT_EQ(third.status().code(), absl::StatusCode::kResourceExhausted);
  bound->reset();
  faults_.FailNth(Operation::kBindDoorbell, 2, absl::InternalError("injected"));
  auto fourth = accelerator_.Bind(kDoorbell, 3, event_);
  EXPECT_TRUE(fourth.ok()) << fourth.status();
  auto fifth = accelerator_.Bind(kDoorbell, 4, event_);
  EXPECT_EQ(fifth.status(), absl::InternalError("injected"));
  EXPECT_EQ(accelerator_.size(), 2u);

  constexpr auto kOp = Operation::kBindDoorbell;
  EXPECT_THAT(
      log_.Take(),
      ElementsAre(
          Entry::BindDoorbell(kDoorbell, 1, event_),
          Entry::Refuse(kOp, kDoorbell, absl::StatusCode::kAlreadyExists),
          Entry::Refuse(kOp, kDoorbell, absl::StatusCode::kNotFound),
          Entry::BindDoorbell(kDoorbell + 0x1000, 1, event_),
          Entry::Refuse(kOp, kDoorbell, absl::StatusCode::kResourceExhausted),
          Entry::UnbindDoorbell(kDoorbell, 1, event_),
          Entry::BindDoorbell(kDoorbell, 3, event_),
          Entry::Refuse(kOp, kDoorbell, absl::StatusCode::kInternal)));
}

TEST(AcceleratorLifetimeTest, RegistrationsOutliveTheAccelerator) {
  auto events = std::make_unique<Events>();
  auto log = std::make_unique<Log>();
  auto accelerator = std::make_unique<Accelerator>(
      events.get(), Accelerator::Options{.log = log.get()});
  auto bound = accelerator->Bind(kDoorbell, 1, events->Create());
  ASSERT_TRUE(bound.ok()) << bound.status();
  accelerator.reset();
  log.reset();
  events.reset();
  bound->reset();
}

}  // namespace
}  // namespace ivshmem::mock
