// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BUS_MEMORY_BLOCK_H_
#define IVSHMEM_BUS_MEMORY_BLOCK_H_

#include <atomic>
#include <cstdint>

#include "absl/types/span.h"
#include "bus/mmio_handler.h"
#include "core/shared_memory.h"

namespace ivshmem {

// The shared region as a range of bytes, for guests whose accesses to it trap:
// where nobody can map it, or does not yet.
//
// As on mapped memory and an x86 CPU, aligned accesses of 1, 2, 4 and 8 bytes
// are in one piece also for the other guests, loads acquire and stores release;
// other accesses go byte by byte. An access that reaches past the end reads
// ones and writes nothing.
class MemoryBlock : public MmioHandler {
 public:
  // Is told of each write, after it was done, by the thread that does it.
  class Listener {
   public:
    virtual ~Listener() = default;
    virtual void Written(uint64_t offset, uint64_t size) noexcept = 0;
  };

  // A guest's writes to read-only memory change nothing and are counted.
  // `listener` may be null and outlives the object.
  MemoryBlock(const SharedMemory& memory, MemoryAccess access,
              Listener* listener = nullptr)
      : memory_(memory), access_(access), listener_(listener) {}

  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override;

  // How many writes came here that the access forbids. One that reaches past
  // the end is none of them, nor one of no bytes. Any thread.
  uint64_t refused_writes() const noexcept {
    return refused_writes_.load(std::memory_order_relaxed);
  }

 private:
  void Store(uint8_t* to, absl::Span<const uint8_t> bytes) noexcept;

  const SharedMemory memory_;
  const MemoryAccess access_;
  Listener* const listener_;
  std::atomic<uint64_t> refused_writes_{0};
};

}  // namespace ivshmem

#endif  // IVSHMEM_BUS_MEMORY_BLOCK_H_
