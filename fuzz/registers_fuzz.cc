// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Registers and BARs of all dialects: accesses of any size, anywhere, moved
// BARs, and peers that ring. See judged_play.h for what is checked.

#include <cstddef>
#include <cstdint>

#include "fuzz/judged_play.h"
#include "proto/script.pb.h"

namespace ivshmem::script {
namespace {

bool Wanted(const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return !step.read().has_msix();
    case Step::kWrite:
      return !step.write().has_msix();
    case Step::kPeerJoins:
    case Step::kPeerLeaves:
    case Step::kInterrupt:
    case Step::kSetId:
    case Step::kReset:
      return true;
    default:
      return false;
  }
}

}  // namespace
}  // namespace ivshmem::script

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ivshmem::script::JudgedPlay({data, size}, ivshmem::script::Wanted);
  return 0;
}
