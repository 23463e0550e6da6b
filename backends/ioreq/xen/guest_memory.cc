// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/guest_memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <limits>

#include "backends/ioreq/xen/ioreq_abi.h"

namespace ivshmem::xen {
namespace {

// Calls `copy(data, done, size)` for the part of each frame that [address,
// address + size) has, `done` bytes into it, while the frame is mapped.
// Returns false at the first that cannot be mapped.
template <typename Copy>
bool ForEachFrame(ForeignMemory& memory, uint64_t address, size_t size,
                  int protection, Copy copy) {
  if (size != 0 && size - 1 > std::numeric_limits<uint64_t>::max() - address) {
    return false;
  }
  for (size_t done = 0; done < size;) {
    const uint64_t offset = (address + done) % kPageSize;
    const size_t part = std::min<size_t>(size - done, kPageSize - offset);
    void* frame = nullptr;
    if (memory.MapFrame((address + done) / kPageSize, protection, &frame) < 0) {
      return false;
    }
    copy(static_cast<uint8_t*>(frame) + offset, done, part);
    memory.UnmapFrame(frame);
    done += part;
  }
  return true;
}

}  // namespace

bool GuestMemory::Read(uint64_t address, absl::Span<uint8_t> bytes) noexcept {
  return ForEachFrame(memory_, address, bytes.size(), PROT_READ,
                      [&](const uint8_t* frame, size_t done, size_t size) {
                        std::memcpy(bytes.data() + done, frame, size);
                      });
}

bool GuestMemory::Write(uint64_t address,
                        absl::Span<const uint8_t> bytes) noexcept {
  return ForEachFrame(memory_, address, bytes.size(), PROT_READ | PROT_WRITE,
                      [&](uint8_t* frame, size_t done, size_t size) {
                        std::memcpy(frame, bytes.data() + done, size);
                      });
}

}  // namespace ivshmem::xen
