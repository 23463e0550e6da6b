// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_FILES_H_
#define IVSHMEM_SCRIPT_FILES_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// The Scripts in a folder that is among a test's data, "testdata/scripts":
// their paths, in order. Empty where there is no such folder.
std::vector<std::string> ScriptFiles(const std::string& folder);

// The Script in a file. Errors: NotFound, or what ParseScript() says.
absl::StatusOr<Script> ReadScript(const std::string& path);

// The name of a file's case in a test with the files as parameters.
std::string CaseOfFile(const ::testing::TestParamInfo<std::string>& info);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_FILES_H_
