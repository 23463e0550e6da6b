// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/memory_slots.h"

#include <linux/kvm.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/numeric/bits.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace ivshmem::kvm {
namespace {

using Region = kvm_userspace_memory_region;

constexpr uint32_t kReadOnly = KVM_MEM_READONLY;
constexpr uint32_t kLogged = KVM_MEM_LOG_DIRTY_PAGES;

uint64_t PageSize() { return static_cast<uint64_t>(sysconf(_SC_PAGESIZE)); }

absl::Status CheckAligned(absl::string_view field, uint64_t value) {
  const uint64_t page = PageSize();
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

  absl::StatusOr<uint32_t> Add(Region region) ABSL_LOCKS_EXCLUDED(mutex_) {
    RemoveStuck();
    if ((region.flags & kReadOnly) != 0 && !can_read_only_) {
      return absl::UnimplementedError(
          "this kernel's KVM has no read-only memory for guests");
    }
    const absl::StatusOr<uint32_t> slot = slots_.Take();
    if (!slot.ok()) return slot.status();
    region.slot = *slot;
    const int result = Set(region);
    if (result >= 0) return *slot;
    slots_.Give(*slot);
    return IoctlError(
        result,
        absl::StrFormat("mapping %#x bytes at %#x in slot %d",
                        region.memory_size, region.guest_phys_addr, *slot));
  }

  void Remove(uint32_t slot) noexcept ABSL_LOCKS_EXCLUDED(mutex_) {
    if (TryRemove(slot)) {
      slots_.Give(slot);
      return;
    }
    absl::MutexLock lock(&mutex_);
    stuck_.push_back(slot);
  }

  absl::Status Start(const SharedMemory& memory) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    const auto log = logs_.try_emplace(AddressOf(memory), Log()).first;
    log->second.pages.assign(WordsOf(memory), 0);
    absl::Status status = SetLogged(log->first, true);
    if (status.ok()) return status;
    SetLogged(log->first, false).IgnoreError();
    logs_.erase(log);
    return status;
  }

  void Stop(const SharedMemory& memory) noexcept ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (logs_.erase(AddressOf(memory)) == 0) return;
    // What the kernel goes on to log costs the guest some time and is asked by
    // nobody.
    SetLogged(AddressOf(memory), false).IgnoreError();
  }

  absl::Status Take(const SharedMemory& memory,
                    absl::FunctionRef<void(uint64_t, uint64_t)> written)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<uint64_t> pages;
    bool whole;
    {
      absl::MutexLock lock(&mutex_);
      const auto log = logs_.find(AddressOf(memory));
      if (log == logs_.end()) {
        return absl::FailedPreconditionError(
            "what guests write to this memory is not logged");
      }
      absl::Status status = Collect(log->first, log->second);
      if (!status.ok()) return status;
      whole = std::exchange(log->second.whole, false);
      pages = std::exchange(log->second.pages,
                            std::vector<uint64_t>(WordsOf(memory)));
    }
    if (whole) {
      written(0, memory.size);
      return absl::OkStatus();
    }
    for (size_t word = 0; word < pages.size(); ++word) {
      for (uint64_t rest = pages[word]; rest != 0; rest &= rest - 1) {
        written((word * kBits + absl::countr_zero(rest)) * PageSize(),
                PageSize());
      }
    }
    return absl::OkStatus();
  }

 private:
  static constexpr size_t kBits = 64;

  // What is known of a memory's writes and was not taken yet.
  struct Log {
    std::vector<uint64_t> pages;  // As the kernel has them: a bit for each.
    bool whole = false;
  };

  static uint64_t AddressOf(const SharedMemory& memory) {
    return reinterpret_cast<uintptr_t>(memory.data);
  }
  static size_t WordsOf(const SharedMemory& memory) {
    return (memory.size / PageSize() + kBits - 1) / kBits;
  }

  int Set(Region region) ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    if (logs_.contains(region.userspace_addr)) region.flags |= LogFlag(region);
    const int result = vm_.Ioctl(KVM_SET_USER_MEMORY_REGION, &region);
    if (result >= 0) mapped_[region.slot] = region;
    return result;
  }

  bool TryRemove(uint32_t slot) noexcept ABSL_LOCKS_EXCLUDED(mutex_) {
    const Region none = {.slot = slot,
                         .flags = 0,
                         .guest_phys_addr = 0,
                         .memory_size = 0,
                         .userspace_addr = 0};
    absl::MutexLock lock(&mutex_);
    if (vm_.Ioctl(KVM_SET_USER_MEMORY_REGION, &none) < 0) return false;
    const auto it = mapped_.find(slot);
    if ((it->second.flags & kLogged) != 0) {
      const auto log = logs_.find(it->second.userspace_addr);
      if (log != logs_.end()) log->second.whole = true;
    }
    mapped_.erase(it);
    return true;
  }

  void RemoveStuck() ABSL_LOCKS_EXCLUDED(mutex_) {
    std::vector<uint32_t> stuck;
    {
      absl::MutexLock lock(&mutex_);
      stuck.swap(stuck_);
    }
    for (const uint32_t slot : stuck) Remove(slot);
  }

  // Guests do not write read-only memory.
  static uint32_t LogFlag(const Region& region) {
    return (region.flags & kReadOnly) != 0 ? 0 : kLogged;
  }

  absl::Status SetLogged(uint64_t address, bool logged)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (auto& [slot, region] : mapped_) {
      if (region.userspace_addr != address) continue;
      Region wanted = region;
      wanted.flags &= ~kLogged;
      if (logged) wanted.flags |= LogFlag(region);
      if (wanted.flags == region.flags) continue;
      const int result = vm_.Ioctl(KVM_SET_USER_MEMORY_REGION, &wanted);
      if (result < 0) {
        return IoctlError(
            result,
            absl::StrFormat("logging what is written to slot %d", slot));
      }
      region = wanted;
    }
    return absl::OkStatus();
  }

  // Adds what the kernel has noted, which it then forgets.
  absl::Status Collect(uint64_t address, Log& log)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    std::vector<uint64_t> bits(log.pages.size());
    for (const auto& [slot, region] : mapped_) {
      if (region.userspace_addr != address || (region.flags & kLogged) == 0) {
        continue;
      }
      kvm_dirty_log request = {};
      request.slot = slot;
      request.dirty_bitmap = bits.data();
      const int result = vm_.Ioctl(KVM_GET_DIRTY_LOG, &request);
      if (result < 0) {
        return IoctlError(
            result,
            absl::StrFormat("reading what was written to slot %d", slot));
      }
      for (size_t i = 0; i < bits.size(); ++i) log.pages[i] |= bits[i];
    }
    return absl::OkStatus();
  }

  Vm& vm_;
  SlotNumbers& slots_;
  const bool can_read_only_;
  absl::Mutex mutex_;
  std::vector<uint32_t> stuck_ ABSL_GUARDED_BY(mutex_);
  std::map<uint32_t, Region> mapped_ ABSL_GUARDED_BY(mutex_);  // By slot.
  std::map<uint64_t, Log> logs_ ABSL_GUARDED_BY(mutex_);  // By address here.
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

absl::Status MemorySlots::Start(const SharedMemory& memory) {
  return kernel_->Start(memory);
}

void MemorySlots::Stop(const SharedMemory& memory) noexcept {
  kernel_->Stop(memory);
}

absl::Status MemorySlots::Take(
    const SharedMemory& memory,
    absl::FunctionRef<void(uint64_t offset, uint64_t size)> written) {
  return kernel_->Take(memory, written);
}

}  // namespace ivshmem::kvm
