// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_IOREQ_HOST_HYPERVISOR_H_
#define IVSHMEM_EXAMPLES_IOREQ_HOST_HYPERVISOR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backends/ioreq/guest_memory.h"
#include "backends/ioreq/request.h"
#include "backends/ioreq/transport.h"
#include "backends/linux/memory_object.h"
#include "backends/memory_mapper.h"
#include "bus/pci/msi.h"
#include "core/shared_memory.h"

namespace ivshmem::ioreq_host {

// A hypervisor that is simulated in another process, with one guest of one
// vCPU, and what a device model has of it.
//
// Threading: one thread; what the device model has, any.
class Hypervisor {
 public:
  virtual ~Hypervisor() = default;

  // For the device model. Null is what the hypervisor lacks.
  virtual ioreq::Transport& transport() = 0;
  virtual ioreq::GuestMemory* guest_memory() { return nullptr; }
  virtual MemoryMapper* mapper() { return nullptr; }
  virtual pci::MsiSink& msi() = 0;

  // The guest's access, in memory or config space: what a read reads. Errors:
  // nobody answered it.
  virtual absl::StatusOr<uint64_t> Access(const ioreq::Request& request) = 0;

  // The messages that have reached the guest since the last call.
  struct Messages {
    uint64_t count = 0;
    pci::MsiMessage last;
  };
  virtual Messages TakeMessages() = 0;

  // How the device model broke the hypervisor's rules: nothing if all is well.
  virtual std::string Violations() = 0;
};

// `memory`, which is `object`'s, is what the guest may be shown. Both outlive
// the hypervisor. Errors: what the kernel says.
absl::StatusOr<std::unique_ptr<Hypervisor>> StartAcrn(
    const SharedMemory& memory, const MemoryObject& object);
absl::StatusOr<std::unique_ptr<Hypervisor>> StartXen();

}  // namespace ivshmem::ioreq_host

#endif  // IVSHMEM_EXAMPLES_IOREQ_HOST_HYPERVISOR_H_
