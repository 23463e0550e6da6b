// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/files.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <system_error>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "script/text.h"

namespace ivshmem::script {

std::vector<std::string> ScriptFiles(const std::string& folder) {
  const std::filesystem::path root = std::getenv("TEST_SRCDIR");
  std::vector<std::string> files;
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(
           root / std::getenv("TEST_WORKSPACE") / folder, none)) {
    files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::StatusOr<Script> ReadScript(const std::string& path) {
  std::ifstream file(path);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": not readable"));
  std::ostringstream text;
  text << file.rdbuf();
  return ParseScript(text.str());
}

std::string CaseOfFile(const ::testing::TestParamInfo<std::string>& info) {
  return std::filesystem::path(info.param).stem();
}

}  // namespace ivshmem::script
