// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/irqfd.h"

#include <linux/kvm.h>

#include <memory>

#include "absl/strings/str_format.h"

namespace ivshmem::kvm {
namespace {

class Irqfd : public Registration {
 public:
  Irqfd(Vm& vm, const kvm_irqfd& irqfd) : vm_(vm), irqfd_(irqfd) {}

  ~Irqfd() override {
    irqfd_.flags |= KVM_IRQFD_FLAG_DEASSIGN;
    vm_.Ioctl(KVM_IRQFD, &irqfd_);
  }

 private:
  Vm& vm_;
  kvm_irqfd irqfd_;
};

}  // namespace

absl::StatusOr<RegistrationPtr> AssignIrqfd(
    Vm& vm, EventHandle event, uint32_t gsi,
    std::optional<EventHandle> resample) {
  kvm_irqfd irqfd = {};
  irqfd.fd = static_cast<uint32_t>(event.value);
  irqfd.gsi = gsi;
  if (resample.has_value()) {
    irqfd.flags = KVM_IRQFD_FLAG_RESAMPLE;
    irqfd.resamplefd = static_cast<uint32_t>(resample->value);
  }
  const int result = vm.Ioctl(KVM_IRQFD, &irqfd);
  if (result < 0) {
    return IoctlError(result, absl::StrFormat("irqfd of descriptor %d, GSI %d",
                                              event.value, gsi));
  }
  return std::make_unique<Irqfd>(vm, irqfd);
}

}  // namespace ivshmem::kvm
