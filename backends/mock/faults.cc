// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/faults.h"

#include <utility>

namespace ivshmem::mock {

void Faults::FailNth(Operation operation, int n, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  Plan& plan = plans_[static_cast<size_t>(operation)];
  plan.nth[plan.calls + n] = std::move(status);
}

void Faults::FailAll(Operation operation, absl::Status status) {
  absl::MutexLock lock(&mutex_);
  plans_[static_cast<size_t>(operation)].all = std::move(status);
}

void Faults::Clear() {
  absl::MutexLock lock(&mutex_);
  for (Plan& plan : plans_) {
    plan.nth.clear();
    plan.all = absl::OkStatus();
  }
}

uint64_t Faults::calls(Operation operation) const {
  absl::MutexLock lock(&mutex_);
  return plans_[static_cast<size_t>(operation)].calls;
}

absl::Status Faults::Next(Operation operation) {
  absl::MutexLock lock(&mutex_);
  Plan& plan = plans_[static_cast<size_t>(operation)];
  const auto it = plan.nth.find(++plan.calls);
  if (it == plan.nth.end()) return plan.all;
  absl::Status status = std::move(it->second);
  plan.nth.erase(it);
  return status;
}

}  // namespace ivshmem::mock
