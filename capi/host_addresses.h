// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_HOST_ADDRESSES_H_
#define IVSHMEM_CAPI_HOST_ADDRESSES_H_

#include <cstdint>
#include <deque>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "backends/memory_mapper.h"
#include "backends/mmio_space.h"
#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "core/shared_memory.h"
#include "ivshmem/ivshmem.h"

struct ivshmem_range {
  ivshmem_device* const device;
  ivshmem::MmioHandler* const handler;
};

namespace ivshmem::capi {

// The callbacks of an ivshmem_host by which a device shows itself to the guest.

class HostMapper : public MemoryMapper {
 public:
  HostMapper(const ivshmem_host& host, const ivshmem_device* device)
      : host_(host), device_(device) {}
  absl::StatusOr<RegistrationPtr> Map(uint64_t base, const SharedMemory& memory,
                                      MemoryAccess access) override;
  RefusedWrites refused_writes() const noexcept override {
    return (host_.flags & IVSHMEM_HOST_READ_ONLY_WRITES_TRAP) != 0
               ? RefusedWrites::kTrapped
               : RefusedWrites::kDropped;
  }

 private:
  const ivshmem_host& host_;
  const ivshmem_device* const device_;
};

class HostSpace : public MmioSpace {
 public:
  HostSpace(const ivshmem_host& host, ivshmem_device* device)
      : host_(host), device_(device) {}
  absl::StatusOr<RegistrationPtr> Claim(uint64_t base, uint64_t size,
                                        MmioHandler& handler) override;

 private:
  // Always the same for the same handler.
  ivshmem_range* RangeOf(MmioHandler& handler) ABSL_LOCKS_EXCLUDED(mutex_);

  const ivshmem_host& host_;
  ivshmem_device* const device_;
  absl::Mutex mutex_;
  std::deque<ivshmem_range> ranges_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_HOST_ADDRESSES_H_
