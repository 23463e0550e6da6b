// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/front.h"

#include <cerrno>

namespace ivshmem::acrn {

int Front::Emulate(int vcpu, acrn_io_request& request) noexcept {
  const int result = ranges_.Emulate(request);
  if (result != EmulationRanges::kNobody) return result;
  if (slots_ != nullptr) return slots_->Insert(vcpu, request);
  AnswerForNobody(request);
  return 0;
}

int Front::PostWork(int vcpu, acrn_io_request& request) noexcept {
  return slots_ == nullptr ? -ECANCELED : slots_->Take(vcpu, request);
}

}  // namespace ivshmem::acrn
