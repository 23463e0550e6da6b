// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_MEMORY_SLOTS_H_
#define IVSHMEM_BACKENDS_KVM_MEMORY_SLOTS_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
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
// Threading: any thread. Registrations may outlive the object, but not `vm`
// and `slots`.
class MemorySlots : public MemoryMapper {
 public:
  // Both outlive what is mapped.
  MemorySlots(Vm& vm, SlotNumbers& slots);
  ~MemorySlots() override;

  // Errors: InvalidArgument for an address, a size or memory that does not lie
  // on a page boundary; Unimplemented for read-only memory where KVM cannot;
  // what `slots` or the kernel says, AlreadyExists where memory overlaps.
  absl::StatusOr<RegistrationPtr> Map(uint64_t base, const SharedMemory& memory,
                                      MemoryAccess access) override;

 private:
  class Kernel;
  class Slot;

  const std::shared_ptr<Kernel> kernel_;
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_MEMORY_SLOTS_H_
