// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the specification says and what guest drivers count on, through the C
// interface: the Scripts in testdata/.

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "capi/conformance/c_subject.h"
#include "gtest/gtest.h"
#include "script/play.h"
#include "script/text.h"

namespace ivshmem::script {
namespace {

std::vector<std::string> Files() {
  const std::filesystem::path root = std::getenv("TEST_SRCDIR");
  std::vector<std::string> files;
  for (const char* folder : {"testdata/scripts", "testdata/drivers"}) {
    for (const auto& entry : std::filesystem::directory_iterator(
             root / std::getenv("TEST_WORKSPACE") / folder)) {
      files.push_back(entry.path());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

class CScriptsTest : public ::testing::TestWithParam<std::string> {};

INSTANTIATE_TEST_SUITE_P(
    All, CScriptsTest, ::testing::ValuesIn(Files()), [](const auto& info) {
      return std::filesystem::path(info.param).stem().string();
    });

TEST(CScriptFilesTest, AreThere) { EXPECT_GE(Files().size(), 21u); }

TEST_P(CScriptsTest, Plays) {
  std::ifstream file(GetParam());
  std::ostringstream text;
  text << file.rdbuf();
  const auto script = ParseScript(text.str());
  ASSERT_TRUE(script.ok()) << script.status();
  for (const Carriage carriage : {Carriage::kCalls, Carriage::kEvents}) {
    const auto subject = MakeCSubject(script->world(), carriage);
    ASSERT_TRUE(subject.ok()) << subject.status();
    EXPECT_EQ(Play(*script, **subject), absl::OkStatus())
        << (carriage == Carriage::kCalls ? "by calls" : "by events");
  }
}

}  // namespace
}  // namespace ivshmem::script
