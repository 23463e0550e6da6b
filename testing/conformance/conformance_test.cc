// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Random programs on the library's devices and on the model of them that was
// written from the specification, which shares no code with them: each step
// comes to the same.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proto/config.pb.h"
#include "script/kinds.h"
#include "script/library_subject.h"
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

INSTANTIATE_TEST_SUITE_P(
    AllSettings, Conformance,
    testing::Values(Setting::kRevision1, Setting::kRevision1Plain,
                    Setting::kRevision0Intx, Setting::kRevision0Msix,
                    Setting::kQemu, Setting::kAcrn, Setting::kFlat),
    [](const auto& info) { return std::string(NameOf(info.param)); });

}  // namespace
}  // namespace ivshmem::conformance
