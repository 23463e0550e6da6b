// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Random programs on devices by the C interface and on the model that was
// written from the specification: each step comes to the same.

#include <memory>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "capi/conformance/c_subject.h"
#include "gtest/gtest.h"
#include "proto/config.pb.h"
#include "testing/conformance/model/world.h"
#include "testing/conformance/program.h"
#include "testing/conformance/settings.h"

namespace ivshmem::conformance {
namespace {

constexpr int64_t kEach = 2000;

class CPrograms : public testing::TestWithParam<Setting> {};

absl::StatusOr<Pair> ModelAndC(const config::World& world) {
  auto subject = script::MakeCSubject(world, script::Carriage::kCalls);
  if (!subject.ok()) return subject.status();
  return Pair{.expected = std::make_unique<WorldModel>(world),
              .got = *std::move(subject)};
}

TEST_P(CPrograms, DevicesDoWhatTheSpecificationSays) {
  Tally tally;
  ASSERT_TRUE(Agree(GetParam(), Operations(kEach), ModelAndC, tally));
  EXPECT_GE(tally.operations, Operations(kEach));
}

INSTANTIATE_TEST_SUITE_P(
    AllSettings, CPrograms,
    testing::Values(Setting::kRevision1, Setting::kRevision1Plain,
                    Setting::kRevision0Intx, Setting::kRevision0Msix,
                    Setting::kQemu, Setting::kAcrn, Setting::kFlat),
    [](const auto& info) { return std::string(NameOf(info.param)); });

}  // namespace
}  // namespace ivshmem::conformance
