// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/memory_slots.h"

#include <linux/kvm.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ivshmem::kvm {
namespace {

constexpr uint32_t kReadOnly = KVM_MEM_READONLY;

absl::Status CheckAligned(absl::string_view field, uint64_t value) {
  const auto page = static_cast<uint64_t>(sysconf(_SC_PAGESIZE));
  if (value % page == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrFormat(
      "%s: expected a multiple of the page size, %d, as KVM maps only whole "
      "pages; got %#x",
      field, page, value));
}

}  // namespace

absl::StatusOr<uint32_t> SlotRange::Take() {
  absl::MutexLock lock(&mutex_);
  const auto free = std::find(taken_.begin(), taken_.end(), false);
  if (free == taken_.end()) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "all %d memory slots from %d on are in use", taken_.size(), first_));
  }
  *free = true;
  return first_ + static_cast<uint32_t>(free - taken_.begin());
}

void SlotRange::Give(uint32_t slot) noexcept {
  absl::MutexLock lock(&mutex_);
  taken_[slot - first_] = false;
}

// Where slots are set and taken away.
class MemorySlots::Kernel {
 public:
  Kernel(Vm& vm, SlotNumbers& slots)
      : vm_(vm),
        slots_(slots),
        can_read_only_(vm.Extension(KVM_CAP_READONLY_MEM) > 0) {}

  absl::StatusOr<uint32_t> Add(kvm_userspace_memory_region region) {
    RemoveStuck();
    if ((region.flags & kReadOnly) != 0 && !can_read_only_) {
      return absl::UnimplementedError(
          "this kernel's KVM has no read-only memory for guests");
    }
    const absl::StatusOr<uint32_t> slot = slots_.Take();
    if (!slot.ok()) return slot.status();
    region.slot = *slot;
    const int result = vm_.Ioctl(KVM_SET_USER_MEMORY_REGION, &region);
    if (result >= 0) return *slot;
    slots_.Give(*slot);
    return IoctlError(
        result,
        absl::StrFormat("mapping %#x bytes at %#x in slot %d",
                        region.memory_size, region.guest_phys_addr, *slot));
  }

  void Remove(uint32_t slot) noexcept {
    if (TryRemove(slot)) {
      slots_.Give(slot);
      return;
    }
    absl::MutexLock lock(&mutex_);
    stuck_.push_back(slot);
  }

 private:
  bool TryRemove(uint32_t slot) noexcept {
    const kvm_userspace_memory_region none = {.slot = slot,
                                              .flags = 0,
                                              .guest_phys_addr = 0,
                                              .memory_size = 0,
                                              .userspace_addr = 0};
    return vm_.Ioctl(KVM_SET_USER_MEMORY_REGION, &none) >= 0;
  }

  void RemoveStuck() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<uint32_t> stuck;
    {
      absl::MutexLock lock(&mutex_);
      stuck.swap(stuck_);
    }
    for (const uint32_t slot : stuck) Remove(slot);
  }

  Vm& vm_;
  SlotNumbers& slots_;
  const bool can_read_only_;
  absl::Mutex mutex_;
  std::vector<uint32_t> stuck_ ABSL_GUARDED_BY(mutex_);
};

class MemorySlots::Slot : public Registration {
 public:
  Slot(std::shared_ptr<Kernel> kernel, uint32_t slot)
      : kernel_(std::move(kernel)), slot_(slot) {}
  ~Slot() override { kernel_->Remove(slot_); }

 private:
  const std::shared_ptr<Kernel> kernel_;
  const uint32_t slot_;
};

MemorySlots::MemorySlots(Vm& vm, SlotNumbers& slots)
    : kernel_(std::make_shared<Kernel>(vm, slots)) {}

MemorySlots::~MemorySlots() = default;

absl::StatusOr<RegistrationPtr> MemorySlots::Map(uint64_t base,
                                                 const SharedMemory& memory,
                                                 MemoryAccess access) {
  const auto address = reinterpret_cast<uintptr_t>(memory.data);
  for (const absl::Status& status :
       {CheckAligned("guest-physical address", base),
        CheckAligned("memory.size", memory.size),
        CheckAligned("memory.data", address)}) {
    if (!status.ok()) return status;
  }
  const absl::StatusOr<uint32_t> slot =
      kernel_->Add({.slot = 0,
                    .flags = access == MemoryAccess::kReadOnly ? kReadOnly : 0,
                    .guest_phys_addr = base,
                    .memory_size = memory.size,
                    .userspace_addr = address});
  if (!slot.ok()) return slot.status();
  return std::make_unique<Slot>(kernel_, *slot);
}

}  // namespace ivshmem::kvm
