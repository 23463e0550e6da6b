// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The Scripts in testdata/regressions/, each of which once showed a fault: they
// come to what they say, on every host, and nothing is wrong by the way that
// fuzzers look for.

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "fuzz/fuzzed_script.h"
#include "fuzz/judged_play.h"
#include "gtest/gtest.h"
#include "script/files.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/worlds.h"

namespace ivshmem::script {
namespace {

class RegressionsTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    const auto script = ReadScript(GetParam());
    ASSERT_TRUE(script.ok()) << script.status();
    script_ = *script;
  }
  bool IsFuzzed() const {
    return std::any_of(Worlds().begin(), Worlds().end(),
                       [this](const config::World& world) {
                         return world.SerializeAsString() ==
                                script_.world().SerializeAsString();
                       });
  }
  Script script_;
};

INSTANTIATE_TEST_SUITE_P(
    All, RegressionsTest,
    ::testing::ValuesIn(ScriptFiles("testdata/regressions")), CaseOfFile);

TEST_P(RegressionsTest, SaysWhatItIs) { EXPECT_FALSE(script_.about().empty()); }

TEST_P(RegressionsTest, Plays) {
  for (const Acceleration acceleration : kAccelerations) {
    if (!AreUnseen(acceleration, script_.world())) continue;
    const auto subject = MakeLibrarySubject(script_.world(), acceleration);
    ASSERT_TRUE(subject.ok()) << subject.status();
    EXPECT_EQ(Play(script_, **subject), absl::OkStatus())
        << AccelerationName(acceleration);
    // Ends the process, with the Script, where something is wrong.
    if (IsFuzzed()) JudgedPlay(script_, acceleration);
  }
}

}  // namespace
}  // namespace ivshmem::script
