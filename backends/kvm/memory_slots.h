// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_MEMORY_SLOTS_H_
#define IVSHMEM_BACKENDS_KVM_MEMORY_SLOTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "backends/dirty_log.h"
#include "backends/kvm/vm.h"
#include "backends/memory_mapper.h"
#include "backends/registration.h"
#include "core/shared_memory.h"

namespace ivshmem::kvm {

// Which numbers of a VM's memory slots are free. An embedder that has slots of
// its own (it has: the guest's RAM) implements this over its own allocator, or
// sets a range aside and gives a SlotRange.
//
// Threading: any thread. Never called under a lock that Take() or Give() of
// another could want.
class SlotNumbers {
 public:
  virtual ~SlotNumbers() = default;

  // A number that nobody else uses until it is given back. Errors:
  // ResourceExhausted.
  virtual absl::StatusOr<uint32_t> Take() = 0;
  virtual void Give(uint32_t slot) noexcept = 0;
};

// The numbers first..first + count - 1, the lowest free one first.
class SlotRange : public SlotNumbers {
 public:
  SlotRange(uint32_t first, uint32_t count) : first_(first), taken_(count) {}

  absl::StatusOr<uint32_t> Take() override ABSL_LOCKS_EXCLUDED(mutex_);
  void Give(uint32_t slot) noexcept override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  const uint32_t first_;
  absl::Mutex mutex_;
  std::vector<bool> taken_ ABSL_GUARDED_BY(mutex_);
};

// Shows memory to the guest through memory slots.
//
// Should the kernel refuse to take a slot away (for want of memory), the guest
// keeps seeing it; it is tried again with the next mapping, and its number is
// not given to anybody before.
//
// As a DirtyLog it says which pages guests have written, by the kernel's log
// (KVM_MEM_LOG_DIRTY_PAGES). Memory that is unmapped or moved meanwhile counts
// as written whole: nobody can tell what a guest wrote in the last moment.
//
// Threading: any thread. Registrations may outlive the object, but not `vm`
// and `slots`.
class MemorySlots : public MemoryMapper, private DirtyLog {
 public:
  // Both outlive what is mapped.
  MemorySlots(Vm& vm, SlotNumbers& slots);
  ~MemorySlots() override;

  // Errors: InvalidArgument for an address, a size or memory that does not lie
  // on a page boundary; Unimplemented for read-only memory where KVM cannot;
  // what `slots` or the kernel says, AlreadyExists where memory overlaps.
  absl::StatusOr<RegistrationPtr> Map(uint64_t base, const SharedMemory& memory,
                                      MemoryAccess access) override;

  RefusedWrites refused_writes() const noexcept override {
    return RefusedWrites::kTrapped;
  }

  DirtyLog* dirty_log() noexcept override { return this; }

 private:
  // DirtyLog
  absl::Status Start(const SharedMemory& memory) override;
  void Stop(const SharedMemory& memory) noexcept override;
  absl::Status Take(
      const SharedMemory& memory,
      absl::FunctionRef<void(uint64_t offset, uint64_t size)> written) override;

  class Kernel;
  class Slot;

  const std::shared_ptr<Kernel> kernel_;
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_MEMORY_SLOTS_H_
