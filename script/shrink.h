// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_SHRINK_H_
#define IVSHMEM_SCRIPT_SHRINK_H_

#include "absl/functional/function_ref.h"
#include "proto/script.pb.h"

namespace ivshmem::script {

// A small Script for which `fails` still says true, made from `script`, for
// which it does: fewer steps, then fewer devices and regions, what is expected
// only where it is needed, and numbers as small as they can be. `fails` is
// asked only of Scripts that are right by themselves (check.h), at most
// `most_runs` times, and of no more than ten times as many it is looked whether
// they are right. Who asks twice gets the same.
Script Shrink(Script script, absl::FunctionRef<bool(const Script&)> fails,
              int most_runs = 5000);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_SHRINK_H_
