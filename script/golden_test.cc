// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The Scripts in testdata/scripts/, on the library's devices, on every host.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "gtest/gtest.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/text.h"

namespace ivshmem::script {
namespace {

std::vector<std::string> Files() {
  const std::filesystem::path root = std::getenv("TEST_SRCDIR");
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(
           root / std::getenv("TEST_WORKSPACE") / "testdata/scripts")) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

Script Read(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  const auto script = ParseScript(text.str());
  EXPECT_TRUE(script.ok()) << script.status();
  return script.value_or(Script());
}

class GoldenTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(
    All, GoldenTest, ::testing::ValuesIn(Files()), [](const auto& info) {
      return std::filesystem::path(info.param).stem().string();
    });

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
