// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_IOREQ_HOST_GUEST_H_
#define IVSHMEM_EXAMPLES_IOREQ_HOST_GUEST_H_

#include <cstdint>
#include <functional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/request.h"
#include "core/shared_memory.h"
#include "examples/ioreq_host/hypervisor.h"

namespace ivshmem::ioreq_host {

// The guest's driver: it finds two devices on bus 0, which are peers 1 and 2,
// and has the first ring the second. It says on standard output what it does.
class Guest {
 public:
  // `memory` is what both devices share, as the host sees it. All outlive the
  // object.
  Guest(Hypervisor& hypervisor, const SharedMemory& memory)
      : hypervisor_(hypervisor), memory_(memory) {}

  // Rings and reads until `enough()`, once at least. Errors: what was not as it
  // should be.
  absl::Status Run(const std::function<bool()>& enough);

 private:
  absl::StatusOr<uint64_t> Read(ioreq::Request::Kind kind, uint64_t address,
                                uint64_t size);
  absl::Status Write(ioreq::Request::Kind kind, uint64_t address,
                     uint64_t value, uint64_t size);
  // A read of memory that must read `value`.
  absl::Status Expect(const char* what, uint64_t address, uint64_t value);

  absl::Status Find();
  absl::Status PlaceBars(int number);
  absl::Status EnableMsix(int number);
  absl::Status Exchange(uint32_t round);

  Hypervisor& hypervisor_;
  const SharedMemory memory_;
};

}  // namespace ivshmem::ioreq_host

#endif  // IVSHMEM_EXAMPLES_IOREQ_HOST_GUEST_H_
