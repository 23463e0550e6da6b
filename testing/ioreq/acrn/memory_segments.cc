// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/acrn/memory_segments.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace ivshmem::acrn_simulation {

int MemorySegments::Set(const acrn_vm_memmap& map, UniqueFd memory) {
  if (map.type != ACRN_MEMMAP_RAM || map.len == 0 || map.len % 4096 != 0 ||
      map.user_vm_pa % 4096 != 0 || map.vma_base % 4096 != 0) {
    return -EINVAL;
  }
  auto object = MemoryObject::Adopt(std::move(memory), map.len);
  if (!object.ok()) return -EFAULT;
  auto mapped = object->Map();
  if (!mapped.ok()) return -ENOMEM;
  const std::lock_guard lock(mutex_);
  segments_.push_back({map, *std::move(mapped)});
  return 0;
}

int MemorySegments::Unset(const acrn_vm_memmap& map) {
  // Linux takes nothing away that is called RAM.
  if (map.type != ACRN_MEMMAP_MMIO) return -EINVAL;
  const std::lock_guard lock(mutex_);
  return segments_.remove_if([&](const Segment& segment) {
    return segment.map.user_vm_pa == map.user_vm_pa &&
           segment.map.len == map.len;
  }) == 0
             ? -EINVAL
             : 0;
}

bool MemorySegments::Access(acrn_mmio_request& access) {
  const bool write = access.direction == ACRN_IOREQ_DIR_WRITE;
  const std::lock_guard lock(mutex_);
  for (const Segment& segment : segments_) {
    if (access.size > 8 || access.address < segment.map.user_vm_pa) continue;
    const uint64_t offset = access.address - segment.map.user_vm_pa;
    if (offset > segment.map.len - access.size) continue;
    if (write && (segment.map.attr & ACRN_MEM_ACCESS_WRITE) == 0) return false;
    uint8_t* const at = segment.memory.view().data + offset;
    if (write) {
      std::memcpy(at, &access.value, access.size);
    } else {
      access.value = 0;
      std::memcpy(&access.value, at, access.size);
    }
    return true;
  }
  return false;
}

}  // namespace ivshmem::acrn_simulation
