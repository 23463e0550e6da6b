// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/recorders.h"

#include <thread>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr pci::MsiMessage kOne = {.address = 0xfee00000, .data = 1};
constexpr pci::MsiMessage kTwo = {.address = 0xfee01000, .data = 2};

TEST(MsiRecorderTest, RecordsInOrder) {
  Log log;
  MsiRecorder msi(&log);
  msi.Send(kOne);
  msi.Send(kTwo);
  EXPECT_THAT(msi.all(), ElementsAre(kOne, kTwo));
  EXPECT_THAT(msi.Take(), ElementsAre(kOne, kTwo));
  EXPECT_THAT(msi.Take(), IsEmpty());
  EXPECT_EQ(msi.count(), 2u);
  EXPECT_THAT(log.Take(),
              ElementsAre(Entry::Message(kOne), Entry::Message(kTwo)));
}

TEST(MsiRecorderTest, NeedsNoLogAndKeepsNoMoreThanItMay) {
  MsiRecorder msi(nullptr, /*keep=*/1);
  msi.Send(kOne);
  msi.Send(kTwo);
  EXPECT_THAT(msi.all(), ElementsAre(kOne));
  EXPECT_EQ(msi.count(), 2u);
}

TEST(MsiRecorderTest, CallbackMayCallBack) {
  MsiRecorder msi;
  msi.SetCallback([&msi](const pci::MsiMessage& message) {
    EXPECT_EQ(msi.all().back(), message);
    if (message == kOne) msi.Send(kTwo);
    if (message == kTwo) msi.SetCallback(nullptr);
  });
  msi.Send(kOne);
  EXPECT_THAT(msi.Take(), ElementsAre(kOne, kTwo));
  msi.Send(kOne);
  EXPECT_THAT(msi.Take(), ElementsAre(kOne));
}

TEST(LineRecorderTest, RecordsLevels) {
  Log log;
  LineRecorder line(&log, /*line=*/3);
  EXPECT_FALSE(line.level());
  line.SetLevel(true);
  EXPECT_TRUE(line.level());
  line.SetLevel(true);
  line.SetLevel(false);
  EXPECT_FALSE(line.level());
  EXPECT_THAT(line.all(), ElementsAre(true, true, false));
  EXPECT_THAT(log.Take(),
              ElementsAre(Entry::Line(3, true), Entry::Line(3, true),
                          Entry::Line(3, false)));
  EXPECT_EQ(line.overlaps(), 0u);
}

TEST(LineRecorderTest, CountsCallsThatOverlap) {
  LineRecorder line;
  line.SetCallback([&line](bool asserted) {
    if (asserted) line.SetLevel(false);  // On the same stack.
  });
  line.SetLevel(true);
  EXPECT_EQ(line.overlaps(), 1u);

  line.SetCallback([&line](bool asserted) {
    if (!asserted) return;
    std::thread([&line] { line.SetLevel(false); }).join();
    std::thread([&line] { line.SetLevel(false); }).join();
  });
  line.SetLevel(true);
  EXPECT_EQ(line.overlaps(), 3u);
  line.SetLevel(false);
  EXPECT_EQ(line.overlaps(), 3u);
}

TEST(PulseRecorderTest, RecordsPulses) {
  Log log;
  PulseRecorder pulse(&log, /*line=*/5);
  int called = 0;
  pulse.SetCallback([&called](int line) { called += line; });
  pulse.Pulse();
  pulse.Pulse();
  EXPECT_EQ(pulse.count(), 2u);
  EXPECT_EQ(called, 10);
  EXPECT_THAT(log.Take(), ElementsAre(Entry::Pulse(5), Entry::Pulse(5)));
}

}  // namespace
}  // namespace ivshmem::mock
