// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_KVM_FAULTY_VM_H_
#define IVSHMEM_TESTING_KVM_FAULTY_VM_H_

#include <linux/kvm.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "backends/kvm/vm.h"

namespace ivshmem {

// A VM whose kernel can be made to refuse, and that counts what is asked of it.
//
// Threading: as kvm::Vm.
class FaultyVm : public kvm::Vm {
 public:
  explicit FaultyVm(kvm::Vm& vm) : vm_(vm) {}

  // From now on `request` fails with `error`, the next `times` times.
  void Fail(uint64_t request, int error,
            int times = std::numeric_limits<int>::max()) {
    absl::MutexLock lock(&mutex_);
    faults_[request] = {error, times};
  }
  void Heal(uint64_t request) {
    absl::MutexLock lock(&mutex_);
    faults_.erase(request);
  }

  // The bus has room for so many ioeventfds: beyond them ENOSPC.
  void LimitIoEventFds(int most) { most_io_event_fds_ = most; }
  int io_event_fds() const { return io_event_fds_; }
  int irqfds() const { return irqfds_; }

  // How often `request` was made.
  int calls(uint64_t request) const {
    absl::MutexLock lock(&mutex_);
    const auto it = calls_.find(request);
    return it == calls_.end() ? 0 : it->second;
  }

  using Vm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override {
    {
      absl::MutexLock lock(&mutex_);
      ++calls_[request];
      const auto fault = faults_.find(request);
      if (fault != faults_.end() && fault->second.times > 0) {
        --fault->second.times;
        return -fault->second.error;
      }
    }
    if (request == KVM_IRQFD) return CountIrqfd(argument);
    if (request != KVM_IOEVENTFD) return vm_.Ioctl(request, argument);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
    const auto* io_event_fd = reinterpret_cast<const kvm_ioeventfd*>(argument);
    const bool adds = (io_event_fd->flags & KVM_IOEVENTFD_FLAG_DEASSIGN) == 0;
    if (adds && io_event_fds_ >= most_io_event_fds_) return -ENOSPC;
    const int result = vm_.Ioctl(request, argument);
    if (result >= 0) io_event_fds_ += adds ? 1 : -1;
    return result;
  }

 private:
  struct Fault {
    int error;
    int times;
  };

  int CountIrqfd(uintptr_t argument) noexcept {
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
    const auto* irqfd = reinterpret_cast<const kvm_irqfd*>(argument);
    const bool adds = (irqfd->flags & KVM_IRQFD_FLAG_DEASSIGN) == 0;
    const int result = vm_.Ioctl(KVM_IRQFD, argument);
    if (result >= 0) irqfds_ += adds ? 1 : -1;
    return result;
  }

  kvm::Vm& vm_;
  mutable absl::Mutex mutex_;
  std::map<uint64_t, Fault> faults_ ABSL_GUARDED_BY(mutex_);
  std::map<uint64_t, int> calls_ ABSL_GUARDED_BY(mutex_);
  std::atomic<int> most_io_event_fds_{std::numeric_limits<int>::max()};
  std::atomic<int> io_event_fds_{0};
  std::atomic<int> irqfds_{0};
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_KVM_FAULTY_VM_H_
