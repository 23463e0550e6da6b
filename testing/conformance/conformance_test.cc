// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Random programs on the library's devices and on the model of them that was
// written from the specification, which shares no code with them: each step
// comes to the same.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/numeric/bits.h"
#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/kinds.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/subject.h"
#include "testing/conformance/model/world.h"
#include "testing/conformance/program.h"
#include "testing/conformance/settings.h"

namespace ivshmem::conformance {
namespace {

constexpr int64_t kInAll = 100000;
constexpr int kSettings = 7;
constexpr int64_t kEach = kInAll / kSettings + 1;

class Conformance : public testing::TestWithParam<Setting> {};

absl::StatusOr<Pair> ModelAndLibrary(const config::World& world) {
  auto library = script::MakeLibrarySubject(world);
  if (!library.ok()) return library.status();
  return Pair{.expected = std::make_unique<WorldModel>(world),
              .got = *std::move(library)};
}

// Of each kind of step that a device of this kind can be given there are some,
// and they come to something.
void ExpectVariety(Setting setting, const Tally& tally) {
  for (int i = 0; i < script::kKinds; ++i) {
    const auto kind = static_cast<script::Kind>(i);
    EXPECT_GE(tally.kinds[i], tally.operations / 1000) << script::Name(kind);
  }
  const int64_t some = tally.operations / 200;
  if (setting == Setting::kRevision1Plain) return;
  EXPECT_GE(tally.rings, some);
  switch (setting) {
    case Setting::kRevision0Intx:
      EXPECT_GE(tally.lines, some);
      break;
    case Setting::kFlat:
      EXPECT_GE(tally.pulses, some);
      break;
    default:
      EXPECT_GE(tally.messages, some);
  }
}

TEST_P(Conformance, DevicesDoWhatTheSpecificationSays) {
  Tally tally;
  ASSERT_TRUE(Agree(GetParam(), Operations(kEach), ModelAndLibrary, tally));
  EXPECT_GE(tally.operations, Operations(kEach));
  ExpectVariety(GetParam(), tally);
}

script::Step AccessMsix(uint64_t offset, uint32_t size, bool write) {
  script::Step step;
  script::Access& access = write ? *step.mutable_write() : *step.mutable_read();
  access.set_msix(offset);
  access.set_size(size);
  return step;
}

// Random programs seldom interrupt a vector and read just its pending bit where
// there are many: here each has its turn, and all are read.
TEST(ConformancePendingBits, OfEveryVector) {
  constexpr uint32_t kVectors = 130;
  constexpr uint64_t kPending = kVectors * 16;  // Behind the table.
  config::World world;
  config::Region& region = *world.add_regions();
  region.set_name("r");
  region.set_size(4096);
  config::Device& device = *world.add_devices();
  device.set_name("pc");
  device.set_region("r");
  device.mutable_pci()->set_bar1(0xfe010000);
  device.mutable_pci()->set_vectors(kVectors);
  absl::StatusOr<Pair> pair = ModelAndLibrary(world);
  ASSERT_TRUE(pair.ok()) << pair.status();
  const auto both = [&pair](const script::Step& step) {
    const auto expected = pair->expected->Do(step);
    const auto got = pair->got->Do(step);
    EXPECT_TRUE(expected.ok() && got.ok()) << step.DebugString();
    if (!expected.ok() || !got.ok()) return uint64_t{0};
    EXPECT_EQ(script::Difference(*expected, *got), "") << step.DebugString();
    return got->gives.value_or(0);
  };
  script::Step step;
  step.mutable_write()->set_config(4);
  step.mutable_write()->set_value(2);
  both(step);
  step.mutable_write()->set_config(0x40);
  step.mutable_write()->set_value(0x80000000);
  both(step);
  for (uint32_t vector = 0; vector < kVectors; ++vector) {
    step.Clear();
    step.mutable_interrupt()->set_vector(vector);
    both(step);
    int pending = 0;
    for (const uint32_t size : {4, 8}) {
      for (uint64_t at = 0; at < 24; at += size) {
        const uint64_t bits = both(AccessMsix(kPending + at, size, false));
        if (size == 8) pending += absl::popcount(bits);
      }
    }
    EXPECT_EQ(pending, vector + 1);
  }
}

INSTANTIATE_TEST_SUITE_P(
    AllSettings, Conformance,
    testing::Values(Setting::kRevision1, Setting::kRevision1Plain,
                    Setting::kRevision0Intx, Setting::kRevision0Msix,
                    Setting::kQemu, Setting::kAcrn, Setting::kFlat),
    [](const auto& info) { return std::string(NameOf(info.param)); });

}  // namespace
}  // namespace ivshmem::conformance
