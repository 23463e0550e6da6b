// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_MEMORY_SEGMENTS_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_MEMORY_SEGMENTS_H_

#include <linux/acrn.h>

#include <cstdint>
#include <list>
#include <mutex>

#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::acrn_simulation {

// The memory of the device model's that the guest sees, by the ioctls
// SET_MEMSEG and UNSET_MEMSEG. Threading: any thread.
class MemorySegments {
 public:
  int Set(const acrn_vm_memmap& map, UniqueFd memory);
  int Unset(const acrn_vm_memmap& map);

  // Carries out an access that is to memory here, with no exit. False when it
  // is not, or is one that the memory's rights do not allow.
  bool Access(acrn_mmio_request& access);

 private:
  struct Segment {
    acrn_vm_memmap map;
    MappedMemory memory;
  };

  std::mutex mutex_;
  std::list<Segment> segments_;
};

}  // namespace ivshmem::acrn_simulation

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_MEMORY_SEGMENTS_H_
