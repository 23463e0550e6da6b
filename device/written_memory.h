// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_DEVICE_WRITTEN_MEMORY_H_
#define IVSHMEM_DEVICE_WRITTEN_MEMORY_H_

#include <atomic>
#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "backends/dirty_log.h"
#include "backends/memory_mapper.h"
#include "bus/memory_block.h"
#include "core/shared_memory.h"

namespace ivshmem {

// Which parts of the shared memory a device's guest writes: through the
// hypervisor's mapping and through accesses that trap. For who copies the
// memory's content while the guest runs; the copying is his.
//
// What peers write is not in it: who carries the content of memory that others
// write stops them first, or copies all of it.
//
// Threading: any thread. Writes of guests take no lock.
class WrittenMemory : public MemoryBlock::Listener {
 public:
  // The unit: parts are multiples of it, but for the last of the memory. Bytes.
  static constexpr uint64_t kPage = 4096;

  // Of the memory, in bytes.
  struct Part {
    uint64_t offset = 0;
    uint64_t size = 0;

    friend bool operator==(const Part&, const Part&) = default;
  };

  // `mapper` maps the memory to the guest, or is null when accesses trap. Both
  // outlive the object.
  WrittenMemory(const SharedMemory& memory, MemoryMapper* mapper);
  ~WrittenMemory() override;

  // From now on it is noted what the guest writes; nothing was at first. A
  // second time begins anew. Errors: Unimplemented when the hypervisor cannot
  // say what guests write to memory that it maps; what it says, and then
  // nothing is noted.
  absl::Status Start() ABSL_LOCKS_EXCLUDED(mutex_);

  // Notes no more.
  void Stop() noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  // What was written since the last call, or since Start(): by offset, and
  // neither overlapping nor adjacent. A write that is under way is in this
  // result or in the next, and its bytes are in the memory by then. Errors:
  // FailedPrecondition if it was not started; what the hypervisor says, and
  // then nothing is forgotten.
  absl::StatusOr<std::vector<Part>> Take() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A bit for each page.
  using Words = std::vector<std::atomic<uint64_t>>;
  // Of memory, for each word.
  static constexpr uint64_t kWordBytes = 64 * kPage;

  // MemoryBlock::Listener
  void Written(uint64_t offset, uint64_t size) noexcept override;

  void End() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Mark(Words& words, uint64_t offset, uint64_t size) const noexcept;

  const SharedMemory memory_;
  DirtyLog* const log_;  // Null: none, or nothing is mapped.
  const bool mapped_;
  absl::Mutex mutex_;
  // Made by the first Start() and kept, as guests' writes may be at it.
  Words words_;
  // Null while nothing is noted. Changes under the lock only.
  std::atomic<Words*> noted_{nullptr};
};

}  // namespace ivshmem

#endif  // IVSHMEM_DEVICE_WRITTEN_MEMORY_H_
