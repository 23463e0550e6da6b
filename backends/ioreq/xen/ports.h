// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_XEN_PORTS_H_
#define IVSHMEM_BACKENDS_IOREQ_XEN_PORTS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/linux/event_fd.h"

namespace ivshmem::xen {

// The event channels between the vCPUs of the domain and this process.
//
// Threading: WaitUntil() from one thread at a time, the rest from any.
class Ports {
 public:
  // None is bound yet. `channels` outlives the object. Errors: the kernel's.
  static absl::StatusOr<std::unique_ptr<Ports>> Create(EventChannels& channels);
  // Unbinds them.
  ~Ports();

  Ports(const Ports&) = delete;
  Ports& operator=(const Ports&) = delete;

  // Joins the port `remote` of the next vCPU, 0 at first. Not while others use
  // the object. The error names the vCPU.
  absl::Status Bind(uint32_t remote);

  // Sleeps until `ready`, which is asked first, and again after each event.
  // Errors: Cancelled after Stop(); else what the calls said, for good.
  absl::Status WaitUntil(absl::FunctionRef<bool()> ready);
  void Stop() noexcept;

  // Tells vCPU `vcpu` to look at its slot; nobody if its port is not bound.
  void Notify(int vcpu) noexcept;

 private:
  Ports(EventChannels& channels, std::shared_ptr<EventFd> stop)
      : channels_(channels), stop_(std::move(stop)) {}

  absl::Status TakeEvent();

  EventChannels& channels_;
  const std::shared_ptr<EventFd> stop_;  // Readable after Stop(), for good.
  std::atomic<bool> stopped_{false};
  std::vector<int> local_;  // By vCPU.
};

}  // namespace ivshmem::xen

#endif  // IVSHMEM_BACKENDS_IOREQ_XEN_PORTS_H_
