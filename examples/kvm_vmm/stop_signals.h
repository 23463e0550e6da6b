// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_STOP_SIGNALS_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_STOP_SIGNALS_H_

#include <memory>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::kvm_vmm {

// SIGINT and SIGTERM as events of a loop.
class StopSignals {
 public:
  // From now on the two signals kill nobody; `stop` runs in the loop for them.
  // Called while there is only one thread: others inherit that the signals are
  // held.
  static absl::StatusOr<StopSignals> Watch(EventLoop& loop,
                                           absl::AnyInvocable<void()> stop);

 private:
  StopSignals(UniqueFd fd, std::unique_ptr<EventLoop::Watch> watch)
      : fd_(std::move(fd)), watch_(std::move(watch)) {}

  UniqueFd fd_;
  std::unique_ptr<EventLoop::Watch> watch_;
};

}  // namespace ivshmem::kvm_vmm

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_STOP_SIGNALS_H_
