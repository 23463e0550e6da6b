// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_CHECK_H_
#define IVSHMEM_SCRIPT_CHECK_H_

#include "absl/status/status.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// What is wrong with a Script by itself: what no subject could play, what no
// outcome could satisfy, or what would take more memory to play than a Script
// may (census.h). Errors: InvalidArgument that names the place, what was
// expected and what came: "steps[3].write.size: expected 1..64, got 70".
absl::Status Check(const Script& script);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_CHECK_H_
