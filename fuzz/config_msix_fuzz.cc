// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Config space and MSI-X: accesses of any size, anywhere, and interrupts that
// come meanwhile. See judged_play.h for what is checked.

#include <cstddef>
#include <cstdint>

#include "fuzz/judged_play.h"
#include "proto/script.pb.h"

namespace ivshmem::script {
namespace {

bool Wanted(const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return step.read().has_config() || step.read().has_msix();
    case Step::kWrite:
      return step.write().has_config() || step.write().has_msix();
    case Step::kInterrupt:
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
