// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/local_hsm.h"

#include <cerrno>

namespace ivshmem::acrn {
namespace {

// What the argument of an ioctl points to.
template <typename T>
const T& At(uintptr_t argument) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
  return *reinterpret_cast<const T*>(argument);
}

}  // namespace

void LocalHsm::Upcall() noexcept {
  if (!kernel_.Upcall()) return;
  // Whoever looked before this waits by now.
  absl::MutexLock lock(&mutex_);
  changed_.SignalAll();
}

int LocalHsm::Ioctl(uint64_t request, uintptr_t argument) noexcept {
  switch (request) {
    case ACRN_IOCTL_CREATE_IOREQ_CLIENT:
      return Create();
    case ACRN_IOCTL_DESTROY_IOREQ_CLIENT:
      return Destroy();
    case ACRN_IOCTL_ATTACH_IOREQ_CLIENT:
      return Attach();
    case ACRN_IOCTL_NOTIFY_REQUEST_FINISH:
      return Finish(At<acrn_ioreq_notify>(argument));
    case ACRN_IOCTL_CLEAR_VM_IOREQ:
      kernel_.Clear();
      return 0;
    case ACRN_IOCTL_INJECT_MSI: {
      if (msi_ == nullptr) return -ENOTTY;
      const auto& entry = At<acrn_msi_entry>(argument);
      msi_->Send({.address = entry.msi_addr,
                  .data = static_cast<uint32_t>(entry.msi_data)});
      return 0;
    }
    default:
      return -ENOTTY;
  }
}

int LocalHsm::Create() {
  {
    absl::MutexLock lock(&mutex_);
    if (client_) return -EEXIST;
    client_ = true;
    kernel_.SetServed(true);
  }
  Upcall();  // What has waited for it.
  return 0;
}

int LocalHsm::Destroy() {
  absl::MutexLock lock(&mutex_);
  if (!client_) return 0;
  client_ = false;
  ++destroyed_;
  kernel_.SetServed(false);
  changed_.SignalAll();
  return 0;
}

int LocalHsm::Attach() {
  absl::MutexLock lock(&mutex_);
  if (!client_) return -ENODEV;
  const uint64_t destroyed = destroyed_;
  while (kernel_.pending() == 0 && destroyed_ == destroyed) {
    changed_.Wait(&mutex_);
  }
  return destroyed_ == destroyed ? 0 : -ENODEV;
}

int LocalHsm::Finish(const acrn_ioreq_notify& notify) {
  if (notify.reserved != 0 || notify.vcpu >= static_cast<uint32_t>(slots_)) {
    return -EINVAL;
  }
  if (!kernel_.Finish(static_cast<int>(notify.vcpu))) return -EINVAL;
  if (kernel_.pending() != 0) {
    absl::MutexLock lock(&mutex_);
    changed_.SignalAll();
  }
  return 0;
}

}  // namespace ivshmem::acrn
