// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_SHRINK_FAILURE_H_
#define IVSHMEM_SCRIPT_SHRINK_FAILURE_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "proto/script.pb.h"
#include "script/subject.h"

namespace ivshmem::script {

// A new subject for a Script.
using SubjectMaker =
    absl::FunctionRef<absl::StatusOr<std::unique_ptr<Subject>>(const Script&)>;

// A small Script in which the same goes wrong as when `script` is played: the
// same step comes to the same, which is not what the Script says (shrink.h). A
// Script that plays is given back as it is.
Script ShrinkFailure(const Script& script, SubjectMaker make);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_SHRINK_FAILURE_H_
