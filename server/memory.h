// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SERVER_MEMORY_H_
#define IVSHMEM_SERVER_MEMORY_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/memory_object.h"

namespace ivshmem::server {

// What memory a server hands out.
struct MemorySpec {
  enum class Kind : uint8_t {
    kMemfd,      // Without a name.
    kShm,        // POSIX shared memory `name`.
    kFile,       // The file `name`.
    kDirectory,  // A new file in the directory `name`, which has no name any
                 // more as soon as it is open: so a file system gives the
                 // pages, as hugetlbfs.
  };

  Kind kind = Kind::kMemfd;
  std::string name;
  uint64_t size = 0;       // Bytes; a power of two.
  uint64_t huge_page = 0;  // kMemfd: bytes of each of its pages; 0 for normal.
};

// The size that a PCI BAR of at least `size` bytes has: the next power of two,
// or `size` itself if it is one. 0 if there is none in 64 bits.
uint64_t RoundUpToBar(uint64_t size);

// Errors: InvalidArgument when the size is no power of two (it names the next
// one) or the object that exists has another; what the kernel says.
absl::StatusOr<MemoryObject> OpenMemory(const MemorySpec& spec);

// Removes the name of `object`, if `spec` is POSIX shared memory and the name
// is still its own.
void RemoveShm(const MemorySpec& spec, const MemoryObject& object);

}  // namespace ivshmem::server

#endif  // IVSHMEM_SERVER_MEMORY_H_
