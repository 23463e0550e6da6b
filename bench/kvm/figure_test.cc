// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A little of what the benchmark measures, so that it works when it is needed.

#include "bench/kvm/figure.h"

#include <string>

#include "bench/kvm/bare_vm.h"
#include "bench/kvm/cpus.h"
#include "bench/kvm/device_vm.h"
#include "bench/kvm/pauses.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/kvm/kvm_guest.h"

namespace ivshmem::bench {
namespace {

using ::testing::HasSubstr;

class FigureTest : public ::testing::TestWithParam<Figure> {};

// All three do what the figure says, in each order. A slice in which a doorbell
// got lost or came out of the kernel is an error.
TEST_P(FigureTest, AllContendersDoWhatIsMeasured) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  const auto contest = Contest::Create(GetParam(), ChooseCpus());
  ASSERT_TRUE(contest.ok()) << contest.status();
  for (int turn = 0; turn < 6; ++turn) {
    const absl::StatusOr<Round> round = (*contest)->RunRound(turn, 20);
    ASSERT_TRUE(round.ok()) << round.status();
    EXPECT_GT(round->bare, 0);
    EXPECT_GT(round->device, 0);
    EXPECT_GT(round->bare_again, 0);
  }
}

INSTANTIATE_TEST_SUITE_P(All, FigureTest, ::testing::ValuesIn(kFigures),
                         [](const auto& info) {
                           return std::string(info.param.name);
                         });

// What takes another way than the one to be measured is found out: here, the
// figure of the fast path without it.
TEST(SliceTest, FailsWhenTheDoorbellTakesAnotherWay) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  const Figure& fast = kFigures[0];
  ASSERT_STREQ(fast.name, "ioeventfd");
  const auto slow = BareVm::Create(
      {.fast = {.io_event_fd = false}, .trapped = BareVm::Trapped::kSignals},
      0);
  ASSERT_TRUE(slow.ok()) << slow.status();
  EXPECT_THAT(RunSlice(**slow, fast, 20).status().message(),
              HasSubstr("exits: expected 0, got 20"));
  const auto deaf = BareVm::Create(
      {.fast = {.io_event_fd = false}, .trapped = BareVm::Trapped::kNothing},
      0);
  ASSERT_TRUE(deaf.ok()) << deaf.status();
  EXPECT_THAT(RunSlice(**deaf, fast, 20).status().message(),
              HasSubstr("rings: expected 20, got 0"));
}

// A peer with vectors comes and goes while the guest is at work.
TEST(VisitTest, BothContendersAreVisited) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  const auto bare = BareVm::Create({}, 0);
  ASSERT_TRUE(bare.ok()) << bare.status();
  const auto device = DeviceVm::Create({}, 0);
  ASSERT_TRUE(device.ok()) << device.status();
  for (Contender* contender : {static_cast<Contender*>(bare->get()),
                               static_cast<Contender*>(device->get())}) {
    const absl::StatusOr<Visit> visit = MeasureVisit(*contender, 10);
    ASSERT_TRUE(visit.ok()) << visit.status();
    for (const Pause& pause : {visit->add, visit->remove, visit->idle}) {
      EXPECT_GT(pause.took, absl::ZeroDuration());
      EXPECT_GT(pause.longest, absl::ZeroDuration());
    }
  }
}

}  // namespace
}  // namespace ivshmem::bench
