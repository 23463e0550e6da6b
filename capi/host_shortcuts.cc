// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/host_shortcuts.h"

#include <cerrno>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "capi/errors.h"
#include "capi/inside.h"
#include "capi/undo.h"

namespace ivshmem::capi {
namespace {

ivshmem_irq Irq(EventHandle event, const pci::MsiMessage& message) {
  return {.fd = static_cast<int32_t>(event.value),
          .data = message.data,
          .address = message.address};
}

RegistrationPtr Unbinder(const ivshmem_host& host, const ivshmem_device* device,
                         const ivshmem_irq& irq) {
  return MakeUndo(device, [&host, irq] { host.unbind_irq(host.opaque, &irq); });
}

}  // namespace

absl::StatusOr<RegistrationPtr> HostDoorbells::Bind(uint64_t address,
                                                    uint32_t value,
                                                    EventHandle event) {
  const int fd = static_cast<int>(event.value);
  {
    const Inside inside(device_);
    absl::Status bound = CallbackStatus(
        "add_ioeventfd", host_.add_ioeventfd(host_.opaque, address, value, fd));
    if (!bound.ok()) return bound;
  }
  return MakeUndo(device_, [&host = host_, address, value, fd] {
    host.remove_ioeventfd(host.opaque, address, value, fd);
  });
}

absl::StatusOr<RegistrationPtr> HostRouter::Bind(
    EventHandle event, const pci::MsiMessage& message) {
  return std::move(BindAll({Request{event, message}}).front());
}

std::vector<absl::StatusOr<RegistrationPtr>> HostRouter::BindAll(
    absl::Span<const Request> requests) {
  std::vector<ivshmem_irq> irqs;
  irqs.reserve(requests.size());
  for (const Request& request : requests) {
    irqs.push_back(Irq(request.event, request.message));
  }
  // One that the callback forgets to set is not bound.
  std::vector<int> results(irqs.size(), -EIO);
  {
    const Inside inside(device_);
    if (host_.bind_irqs != nullptr) {
      host_.bind_irqs(host_.opaque, irqs.data(), irqs.size(), results.data());
    } else {
      for (size_t i = 0; i < irqs.size(); ++i) {
        results[i] = host_.bind_irq(host_.opaque, &irqs[i]);
      }
    }
  }
  std::vector<absl::StatusOr<RegistrationPtr>> bound;
  bound.reserve(irqs.size());
  for (size_t i = 0; i < irqs.size(); ++i) {
    const absl::Status status = CallbackStatus("bind_irq", results[i]);
    if (status.ok()) {
      bound.emplace_back(Unbinder(host_, device_, irqs[i]));
    } else {
      bound.emplace_back(status);
    }
  }
  return bound;
}

void HostExecutor::Run(absl::AnyInvocable<void()> work) {
  const Inside inside(device_);
  host_.run(host_.opaque, new ivshmem_work{std::move(work)});
}

}  // namespace ivshmem::capi

void ivshmem_work_run(ivshmem_work* work) {
  const std::unique_ptr<ivshmem_work> owned(work);
  if (owned != nullptr) owned->work();
}

void ivshmem_work_drop(ivshmem_work* work) { delete work; }
