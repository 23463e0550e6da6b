// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_CONFORMANCE_C_SUBJECT_H_
#define IVSHMEM_CAPI_CONFORMANCE_C_SUBJECT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "capi/conformance/c_guest.h"
#include "proto/config.pb.h"
#include "script/subject.h"

namespace ivshmem::script {

// The library's devices as `world` has them, by the C interface alone. Errors:
// InvalidArgument for a world that there cannot be.
absl::StatusOr<std::unique_ptr<Subject>> MakeCSubject(
    const config::World& world, Carriage carriage);

}  // namespace ivshmem::script

#endif  // IVSHMEM_CAPI_CONFORMANCE_C_SUBJECT_H_
