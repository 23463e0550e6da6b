// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/log.h"

#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Print(const Entry& entry) {
  std::ostringstream os;
  os << entry;
  return os.str();
}

TEST(LogTest, KeepsOrderAndForgetsWhatIsTaken) {
  Log log;
  log.Add(Entry::Signal({1}));
  log.Add(Entry::Pulse(0));
  EXPECT_THAT(log.entries(), ElementsAre(Entry::Signal({1}), Entry::Pulse(0)));
  EXPECT_THAT(log.Take(), ElementsAre(Entry::Signal({1}), Entry::Pulse(0)));
  EXPECT_THAT(log.Take(), IsEmpty());
  log.Add(Entry::Pulse(1));
  EXPECT_THAT(log.Take(), ElementsAre(Entry::Pulse(1)));
  EXPECT_EQ(log.total(), 3u);
}

TEST(LogTest, KeepsNoMoreThanItMay) {
  Log log(/*keep=*/2);
  for (int i = 0; i < 5; ++i) log.Add(Entry::Pulse(i));
  EXPECT_THAT(log.entries(), ElementsAre(Entry::Pulse(0), Entry::Pulse(1)));
  EXPECT_EQ(log.total(), 5u);
}

TEST(LogTest, EntriesDifferInEachOfTheirParts) {
  EXPECT_NE(Entry::Claim(1, 2), Entry::Unclaim(1, 2));
  EXPECT_NE(Entry::Claim(1, 2), Entry::Claim(2, 2));
  EXPECT_NE(Entry::Claim(1, 2), Entry::Claim(1, 3));
  EXPECT_NE(Entry::Map(1, 2, MemoryAccess::kReadWrite),
            Entry::Map(1, 2, MemoryAccess::kReadOnly));
  EXPECT_NE(Entry::BindDoorbell(1, 2, {3}), Entry::BindDoorbell(1, 2, {4}));
  EXPECT_NE(Entry::BindDoorbell(1, 2, {3}), Entry::BindDoorbell(1, 1, {3}));
  EXPECT_NE(Entry::BindDoorbell(1, 2, {3}), Entry::UnbindDoorbell(1, 2, {3}));
  EXPECT_NE(Entry::BindRoute({1}, {.address = 2, .data = 3}),
            Entry::BindRoute({1}, {.address = 2, .data = 4}));
  EXPECT_NE(Entry::BindRoute({1}, {}), Entry::UnbindRoute({1}, {}));
  EXPECT_NE(Entry::Refuse(Operation::kMap, 1, absl::StatusCode::kInternal),
            Entry::Refuse(Operation::kClaim, 1, absl::StatusCode::kInternal));
  EXPECT_NE(Entry::Signal({1}), Entry::Signal({2}));
  EXPECT_NE(Entry::Line(0, true), Entry::Line(0, false));
  EXPECT_NE(Entry::Line(0, true), Entry::Line(1, true));
  EXPECT_EQ(Entry::Message({.address = 1, .data = 2}),
            Entry::Message({.address = 1, .data = 2}));
}

TEST(LogTest, EntriesAreReadable) {
  EXPECT_EQ(Print(Entry::Claim(0x1000, 0x100)), "claim 0x1000+0x100");
  EXPECT_EQ(Print(Entry::Unclaim(0x1000, 0x100)), "unclaim 0x1000+0x100");
  EXPECT_EQ(Print(Entry::Map(0x1000, 0x100, MemoryAccess::kReadOnly)),
            "map 0x1000+0x100 read-only");
  EXPECT_EQ(Print(Entry::Unmap(0x1000, 0x100, MemoryAccess::kReadWrite)),
            "unmap 0x1000+0x100 read-write");
  EXPECT_EQ(Print(Entry::BindDoorbell(0x100c, 0x10002, {3})),
            "bind doorbell 0x100c=0x10002 to event 3");
  EXPECT_EQ(Print(Entry::UnbindRoute({3}, {.address = 0xfee0, .data = 0x41})),
            "unbind route event 3 to 0xfee0:0x41");
  EXPECT_EQ(Print(Entry::Refuse(Operation::kMap, 0x1000,
                                absl::StatusCode::kInternal)),
            "refuse map 0x1000: INTERNAL");
  EXPECT_EQ(Print(Entry::Signal({3})), "signal event 3");
  EXPECT_EQ(Print(Entry::Message({.address = 0xfee0, .data = 0x41})),
            "message 0xfee0:0x41");
  EXPECT_EQ(Print(Entry::Line(1, true)), "line 1 high");
  EXPECT_EQ(Print(Entry::Line(0, false)), "line 0 low");
  EXPECT_EQ(Print(Entry::Pulse(2)), "pulse 2");
}

}  // namespace
}  // namespace ivshmem::mock
