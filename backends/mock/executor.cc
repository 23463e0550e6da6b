// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/executor.h"

#include <utility>

namespace ivshmem::mock {

void Executor::Run(absl::AnyInvocable<void()> work) {
  absl::MutexLock lock(&mutex_);
  work_.push_back(std::move(work));
}

bool Executor::RunOne() {
  absl::AnyInvocable<void()> work;
  {
    absl::MutexLock lock(&mutex_);
    if (work_.empty()) return false;
    work = std::move(work_.front());
    work_.pop_front();
  }
  work();
  return true;
}

size_t Executor::RunAll() {
  size_t ran = 0;
  while (RunOne()) ++ran;
  return ran;
}

size_t Executor::pending() const {
  absl::MutexLock lock(&mutex_);
  return work_.size();
}

}  // namespace ivshmem::mock
