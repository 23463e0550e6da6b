// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_LIBRARY_SUBJECT_H_
#define IVSHMEM_SCRIPT_LIBRARY_SUBJECT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "proto/config.pb.h"
#include "script/acceleration.h"
#include "script/subject.h"

namespace ivshmem::script {

// The library's devices as `world` has them, each on a host in memory. Errors:
// InvalidArgument that names the place in `world`, what was expected and what
// came.
absl::StatusOr<std::unique_ptr<Subject>> MakeLibrarySubject(
    const config::World& world,
    Acceleration acceleration = Acceleration::kNone);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_LIBRARY_SUBJECT_H_
