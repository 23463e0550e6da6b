// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/acrn/module.h"

#include <atomic>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace ivshmem::acrn_simulation {
namespace {

template <typename T>
T From(const uint8_t* data) {
  T value;
  std::memcpy(&value, data, sizeof(value));
  return value;
}

}  // namespace

Module::Module(acrn_io_request_buffer& page, int vcpus,
               ivshmem::acrn_simulation::Hypervisor& hypervisor)
    : page_(page),
      vcpus_(vcpus),
      hypervisor_(hypervisor),
      kernel_(page, vcpus, *this, &events_),
      worker_([this] { TakeOver(); }) {}

Module::~Module() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  worker_.join();
}

void Module::Upcall() {
  {
    const std::lock_guard lock(mutex_);
    upcall_ = true;
  }
  changed_.notify_all();
}

void Module::TakeOver() {
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return upcall_ || ending_; });
    if (ending_) return;
    upcall_ = false;
    lock.unlock();
    kernel_.Upcall();
    lock.lock();
    changed_.notify_all();
  }
}

int Module::Ioctl(uint64_t request, uint8_t* data, UniqueFd fd) {
  {
    const std::lock_guard lock(mutex_);
    const auto fault = faults_.find(request);
    if (fault != faults_.end() && fault->second.second > 0) {
      --fault->second.second;
      return -fault->second.first;
    }
  }
  switch (request) {
    case ACRN_IOCTL_CREATE_IOREQ_CLIENT: {
      {
        const std::lock_guard lock(mutex_);
        if (client_) return -EEXIST;
        client_ = true;
        left_over_ = kernel_.pending();
        kernel_.SetServed(true);
      }
      Upcall();
      return 0;
    }
    case ACRN_IOCTL_DESTROY_IOREQ_CLIENT: {
      const std::lock_guard lock(mutex_);
      if (!client_) return 0;
      client_ = false;
      ++destroyed_;
      kernel_.SetServed(false);
      changed_.notify_all();
      return 0;
    }
    case ACRN_IOCTL_ATTACH_IOREQ_CLIENT:
      return Attach();
    case ACRN_IOCTL_NOTIFY_REQUEST_FINISH:
      return Notify(From<acrn_ioreq_notify>(data));
    case ACRN_IOCTL_CLEAR_VM_IOREQ:
      if (const std::lock_guard lock(mutex_); !client_) return 0;
      kernel_.Clear();
      return 0;
    case ACRN_IOCTL_INJECT_MSI:
      events_.Inject(From<acrn_msi_entry>(data));
      return 0;
    case ACRN_IOCTL_IOEVENTFD:
      return events_.IoEventFd(From<acrn_ioeventfd>(data), std::move(fd));
    case ACRN_IOCTL_IRQFD:
      return events_.Irqfd(From<acrn_irqfd>(data), std::move(fd));
    case ACRN_IOCTL_SET_MEMSEG:
      return memory_.Set(From<acrn_vm_memmap>(data), std::move(fd));
    case ACRN_IOCTL_UNSET_MEMSEG:
      return memory_.Unset(From<acrn_vm_memmap>(data));
    default:
      return -ENOTTY;
  }
}

int Module::Attach() {
  std::unique_lock lock(mutex_);
  if (!client_) return -ENODEV;
  const uint64_t destroyed = destroyed_;
  changed_.wait(lock, [&] {
    return (kernel_.pending() & ~left_over_) != 0 || destroyed_ != destroyed ||
           ending_;
  });
  return destroyed_ != destroyed ? -ENODEV : 0;
}

int Module::Notify(const acrn_ioreq_notify& notify) {
  if (notify.reserved != 0) return -EINVAL;
  {
    const std::lock_guard lock(mutex_);
    if (!client_) return 0;
    if (notify.vcpu >= static_cast<uint32_t>(vcpus_)) return -EINVAL;
    left_over_ &= ~(1u << notify.vcpu);
    ++notified_;
  }
  const int slot = static_cast<int>(notify.vcpu);
  if (kernel_.Finish(slot)) {
    Upcall();
    return 0;
  }
  acrn_io_request& shared = page_.req_slot[slot];
  uint32_t state = ACRN_IOREQ_STATE_PROCESSING;
  const std::atomic_ref<uint32_t> processed(shared.processed);
  if (!processed.compare_exchange_strong(state, ACRN_IOREQ_STATE_COMPLETE)) {
    hypervisor_.Violation(absl::StrCat(
        "a request of vCPU ", slot, " was finished that was in state ", state));
  }
  return 0;
}

void Module::Fail(uint64_t request, int error, uint64_t times) {
  const std::lock_guard lock(mutex_);
  faults_[request] = {error, times};
}

uint64_t Module::notified() const {
  const std::lock_guard lock(mutex_);
  return notified_;
}

}  // namespace ivshmem::acrn_simulation
