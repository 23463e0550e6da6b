// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_IRQ_LINES_H_
#define IVSHMEM_BACKENDS_KVM_IRQ_LINES_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "backends/kvm/vm.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "backends/registration.h"
#include "bus/interrupt_lines.h"

namespace ivshmem::kvm {

// Interrupt lines of a VM whose interrupt controller is in the kernel, by their
// GSI (on a PC, the IOAPIC's pin).

// A level-triggered line that follows the device exactly (KVM_IRQ_LINE).
//
// Threading: as LineSink.
class IrqLine : public LineSink {
 public:
  // `vm` outlives the object.
  IrqLine(Vm& vm, uint32_t gsi) : vm_(vm), gsi_(gsi) {}
  ~IrqLine() override { SetLevel(false); }

  void SetLevel(bool asserted) noexcept override;

 private:
  Vm& vm_;
  const uint32_t gsi_;
};

// A level-triggered line by an irqfd with resampling. It is raised by an
// eventfd, without an ioctl, and lowered by the kernel when the guest
// acknowledges the interrupt; if the device still asserts it then, it is raised
// again.
//
// So a device that stops asserting before the guest has acknowledged leaves the
// line up until then, where IrqLine would lower it: a guest that has the
// line masked meanwhile may see one interrupt with nothing to it afterwards.
// (Newer kernels ask the device again when the guest unmasks a line.)
//
// Threading: as LineSink. `loop` may be run by any thread.
class ResampledLine : public LineSink {
 public:
  // `vm` and `loop` outlive the object. Errors: the kernel's; Unimplemented
  // without KVM_CAP_IRQFD_RESAMPLE.
  static absl::StatusOr<std::unique_ptr<ResampledLine>> Create(Vm& vm,
                                                               uint32_t gsi,
                                                               EventLoop& loop);

  void SetLevel(bool asserted) noexcept override;

 private:
  ResampledLine(std::shared_ptr<EventFd> raise,
                std::shared_ptr<EventFd> acknowledged)
      : raise_(std::move(raise)), acknowledged_(std::move(acknowledged)) {}
  void OnAcknowledged() noexcept;

  const std::shared_ptr<EventFd> raise_;
  const std::shared_ptr<EventFd> acknowledged_;
  std::atomic<bool> asserted_{false};
  RegistrationPtr irqfd_;
  std::unique_ptr<EventLoop::Watch> watch_;
};

// An edge-triggered line by an irqfd.
//
// Threading: as PulseSink.
class IrqPulse : public PulseSink {
 public:
  // `vm` outlives the object. Errors: the kernel's.
  static absl::StatusOr<std::unique_ptr<IrqPulse>> Create(Vm& vm, uint32_t gsi);

  void Pulse() noexcept override { event_->Signal(); }

 private:
  IrqPulse(std::shared_ptr<EventFd> event, RegistrationPtr irqfd)
      : event_(std::move(event)), irqfd_(std::move(irqfd)) {}

  const std::shared_ptr<EventFd> event_;
  const RegistrationPtr irqfd_;
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_IRQ_LINES_H_
