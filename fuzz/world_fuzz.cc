// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Whole worlds: whatever guests do, whoever comes, goes, rings, resets, saves
// and restores. See judged_play.h for what is checked.

#include <cstddef>
#include <cstdint>

#include "fuzz/judged_play.h"
#include "proto/script.pb.h"

namespace ivshmem::script {
namespace {

bool Wanted(const Step& step) {
  return step.operation_case() != Step::OPERATION_NOT_SET;
}

}  // namespace
}  // namespace ivshmem::script

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::script::JudgedPlay({data, size}, ivshmem::script::Wanted);
  return 0;
}
