// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The Scripts in testdata/scripts/, on the library's devices, on every host.

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "script/files.h"
#include "script/library_subject.h"
#include "script/play.h"

namespace ivshmem::script {
namespace {

std::vector<std::string> Files() { return ScriptFiles("testdata/scripts"); }

Script Read(const std::string& path) {
  const auto script = ReadScript(path);
  EXPECT_TRUE(script.ok()) << script.status();
  return script.value_or(Script());
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(All, GoldenTest, ::testing::ValuesIn(Files()),
                         CaseOfFile);

TEST(GoldenFilesTest, AreThere) { EXPECT_GE(Files().size(), 8u); }

// All that comes of a step is said, so that nothing changes unseen.
TEST_P(GoldenTest, IsWhole) {
  const Script script = Read(GetParam());
  EXPECT_FALSE(script.about().empty());
  EXPECT_GT(script.steps_size(), 10);
  for (const Step& step : script.steps()) {
    EXPECT_TRUE(step.has_effects()) << step.DebugString();
    EXPECT_EQ(step.has_gives(), step.has_read() || step.has_load())
        << step.DebugString();
  }
}

// It plays, whatever the host does for the device.
TEST_P(GoldenTest, Plays) {
  const Script script = Read(GetParam());
  for (const Acceleration acceleration : kAccelerations) {
    const auto subject = MakeLibrarySubject(script.world(), acceleration);
    ASSERT_TRUE(subject.ok()) << subject.status();
    EXPECT_EQ(Play(script, **subject), absl::OkStatus())
        << AccelerationName(acceleration);
  }
}

}  // namespace
}  // namespace ivshmem::script
