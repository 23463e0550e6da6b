// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/irq_lines.h"

#include <linux/kvm.h>
#include <sys/epoll.h>

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "backends/kvm/irqfd.h"

namespace ivshmem::kvm {

void IrqLine::SetLevel(bool asserted) noexcept {
  kvm_irq_level level = {};
  level.irq = gsi_;
  level.level = asserted ? 1 : 0;
  vm_.Ioctl(KVM_IRQ_LINE, &level);
}

absl::StatusOr<std::unique_ptr<ResampledLine>> ResampledLine::Create(
    Vm& vm, uint32_t gsi, EventLoop& loop) {
  if (vm.Extension(KVM_CAP_IRQFD_RESAMPLE) == 0) {
    return absl::UnimplementedError(
        "this kernel's KVM has no irqfds with resampling");
  }
  absl::StatusOr<std::shared_ptr<EventFd>> raise = EventFd::Create();
  if (!raise.ok()) return raise.status();
  absl::StatusOr<std::shared_ptr<EventFd>> acknowledged = EventFd::Create();
  if (!acknowledged.ok()) return acknowledged.status();
  auto line = absl::WrapUnique(
      new ResampledLine(*std::move(raise), *std::move(acknowledged)));

  absl::StatusOr<RegistrationPtr> irqfd =
      AssignIrqfd(vm, line->raise_->event(), gsi, line->acknowledged_->event());
  if (!irqfd.ok()) return irqfd.status();
  line->irqfd_ = *std::move(irqfd);
  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch =
      loop.NewWatch(line->acknowledged_->fd(), EPOLLIN,
                    [self = line.get()](uint32_t) { self->OnAcknowledged(); });
  if (!watch.ok()) return watch.status();
  line->watch_ = *std::move(watch);
  return line;
}

void ResampledLine::SetLevel(bool asserted) noexcept {
  asserted_.store(asserted, std::memory_order_seq_cst);
  if (asserted) raise_->Signal();
}

void ResampledLine::OnAcknowledged() noexcept {
  if (!acknowledged_->Drain()) return;
  // One too many does no harm, one too few would hang the guest: SetLevel()
  // stores before it signals.
  if (asserted_.load(std::memory_order_seq_cst)) raise_->Signal();
}

absl::StatusOr<std::unique_ptr<IrqPulse>> IrqPulse::Create(Vm& vm,
                                                           uint32_t gsi) {
  absl::StatusOr<std::shared_ptr<EventFd>> event = EventFd::Create();
  if (!event.ok()) return event.status();
  absl::StatusOr<RegistrationPtr> irqfd =
      AssignIrqfd(vm, (*event)->event(), gsi);
  if (!irqfd.ok()) return irqfd.status();
  return absl::WrapUnique(new IrqPulse(*std::move(event), *std::move(irqfd)));
}

}  // namespace ivshmem::kvm
