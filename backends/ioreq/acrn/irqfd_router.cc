// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/irqfd_router.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <memory>

#include "absl/strings/str_format.h"

namespace ivshmem::acrn {
namespace {

class Irqfd : public Registration {
 public:
  Irqfd(Hsm& hsm, const acrn_irqfd& irqfd) : hsm_(hsm), irqfd_(irqfd) {}

  ~Irqfd() override {
    irqfd_.flags = ACRN_IRQFD_FLAG_DEASSIGN;
    hsm_.Ioctl(ACRN_IOCTL_IRQFD, &irqfd_);
  }

 private:
  Hsm& hsm_;
  acrn_irqfd irqfd_;
};

}  // namespace

absl::StatusOr<RegistrationPtr> IrqfdRouter::Bind(
    EventHandle event, const pci::MsiMessage& message) {
  acrn_irqfd irqfd = {};
  irqfd.fd = static_cast<__s32>(event.value);
  irqfd.msi.msi_addr = message.address;
  irqfd.msi.msi_data = message.data;
  const int result = hsm_.Ioctl(ACRN_IOCTL_IRQFD, &irqfd);
  if (result < 0) {
    return IoctlError(
        result, absl::StrFormat("irqfd of descriptor %d, message %#x at %#x",
                                event.value, message.data, message.address));
  }
  return std::make_unique<Irqfd>(hsm_, irqfd);
}

}  // namespace ivshmem::acrn
