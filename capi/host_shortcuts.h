// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_HOST_SHORTCUTS_H_
#define IVSHMEM_CAPI_HOST_SHORTCUTS_H_

#include <cstdint>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/doorbell_accelerator.h"
#include "backends/executor.h"
#include "backends/irq_router.h"
#include "backends/registration.h"
#include "bus/pci/msi.h"
#include "core/notifier.h"
#include "ivshmem/ivshmem.h"

struct ivshmem_work {
  absl::AnyInvocable<void()> work;
};

namespace ivshmem::capi {

// The callbacks of an ivshmem_host by which rings and interrupts go past this
// process, and by which a device has work done.

class HostDoorbells : public DoorbellAccelerator {
 public:
  HostDoorbells(const ivshmem_host& host, const ivshmem_device* device)
      : host_(host), device_(device) {}
  absl::StatusOr<RegistrationPtr> Bind(uint64_t address, uint32_t value,
                                       EventHandle event) override;
  MissPolicy miss_policy() const override {
    return (host_.flags & IVSHMEM_HOST_MISSES_ARE_SWALLOWED) != 0
               ? MissPolicy::kSwallowed
               : MissPolicy::kFallsThrough;
  }

 private:
  const ivshmem_host& host_;
  const ivshmem_device* const device_;
};

class HostRouter : public IrqRouter {
 public:
  HostRouter(const ivshmem_host& host, const ivshmem_device* device)
      : host_(host), device_(device) {}
  Signals signals() const override {
    return (host_.flags & IVSHMEM_HOST_SIGNALS_STAY) != 0 ? Signals::kLeft
                                                          : Signals::kTaken;
  }
  absl::StatusOr<RegistrationPtr> Bind(EventHandle event,
                                       const pci::MsiMessage& message) override;
  std::vector<absl::StatusOr<RegistrationPtr>> BindAll(
      absl::Span<const Request> requests) override;

 private:
  const ivshmem_host& host_;
  const ivshmem_device* const device_;
};

class HostExecutor : public Executor {
 public:
  HostExecutor(const ivshmem_host& host, const ivshmem_device* device)
      : host_(host), device_(device) {}
  void Run(absl::AnyInvocable<void()> work) override;

 private:
  const ivshmem_host& host_;
  const ivshmem_device* const device_;
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_HOST_SHORTCUTS_H_
