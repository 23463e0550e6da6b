// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_TEXT_H_
#define IVSHMEM_SCRIPT_TEXT_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// A Script in text form, checked (check.h). Errors: InvalidArgument that names
// the place, "line 3, column 7" or "steps[3].write.size".
absl::StatusOr<Script> ParseScript(absl::string_view text);

// The text form, a line for each step, with a head that tells editors what it
// is. ParseScript() gives the same Script back.
std::string PrintScript(const Script& script);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_TEXT_H_
