// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/doorbells.h"

#include <linux/kvm.h>

#include <memory>

#include "absl/strings/str_format.h"

namespace ivshmem::kvm {
namespace {

class IoEventFd : public Registration {
 public:
  IoEventFd(Vm& vm, const kvm_ioeventfd& io_event_fd)
      : vm_(vm), io_event_fd_(io_event_fd) {}

  ~IoEventFd() override {
    io_event_fd_.flags |= KVM_IOEVENTFD_FLAG_DEASSIGN;
    vm_.Ioctl(KVM_IOEVENTFD, &io_event_fd_);
  }

 private:
  Vm& vm_;
  kvm_ioeventfd io_event_fd_;
};

}  // namespace

absl::StatusOr<RegistrationPtr> Doorbells::Bind(uint64_t address,
                                                uint32_t value,
                                                EventHandle event) {
  kvm_ioeventfd io_event_fd = {};
  io_event_fd.datamatch = value;
  io_event_fd.addr = address;
  io_event_fd.len = sizeof(value);
  io_event_fd.fd = static_cast<int32_t>(event.value);
  io_event_fd.flags = KVM_IOEVENTFD_FLAG_DATAMATCH;
  const int result = vm_.Ioctl(KVM_IOEVENTFD, &io_event_fd);
  if (result < 0) {
    return IoctlError(
        result, absl::StrFormat("ioeventfd for %#010x at %#x", value, address));
  }
  return std::make_unique<IoEventFd>(vm_, io_event_fd);
}

}  // namespace ivshmem::kvm
