// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// libFuzzer writes what it finds beside the corpus that it is given first, and
// an input that fails to the working directory. Under `bazel test` neither may
// be written: what is found goes to a folder that is thrown away, an input that
// fails to bazel-testlogs/.../test.outputs.

#include <cstdlib>
#include <filesystem>
#include <string>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  const char* const scratch = std::getenv("TEST_TMPDIR");
  const char* const outputs = std::getenv("TEST_UNDECLARED_OUTPUTS_DIR");
  if (scratch == nullptr || outputs == nullptr) return 0;
  // libFuzzer reads the arguments as long as the process lives.
  static std::vector<std::string>* const strings = new std::vector<std::string>;
  static std::vector<char*>* const arguments = new std::vector<char*>;
  strings->assign(*argv, *argv + *argc);
  const std::filesystem::path found = std::filesystem::path(scratch) / "found";
  std::error_code ignored;  // libFuzzer says what it cannot read.
  std::filesystem::create_directories(found, ignored);
  strings->insert(
      strings->begin() + 1,
      {std::string("-artifact_prefix=") + outputs + "/", found.string()});
  for (std::string& string : *strings) arguments->push_back(string.data());
  *argc = static_cast<int>(arguments->size());
  arguments->push_back(nullptr);
  *argv = arguments->data();
  return 0;
}
