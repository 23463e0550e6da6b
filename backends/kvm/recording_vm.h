// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_KVM_RECORDING_VM_H_
#define IVSHMEM_BACKENDS_KVM_RECORDING_VM_H_

#include <linux/kvm.h>

#include <cstdint>
#include <cstring>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "backends/kvm/set_gsi_routing.h"
#include "backends/kvm/vm.h"

namespace ivshmem::kvm {

// For this folder's tests: a VM without a kernel, which keeps what it is asked
// for and answers what it is told to, 0 when it is told nothing. One thread.
class RecordingVm final : public Vm {
 public:
  // The next request of that number is answered so, in the order of the calls;
  // further ones 0 again.
  void Answer(uint64_t request, int result) {
    answers_[request].push_back(result);
  }
  // Of the next requests of that number so many are done as ever, and the one
  // after them is answered so.
  void FailAfter(uint64_t request, int good, int result) {
    failures_[request] = {good, result};
  }
  // What the next KVM_GET_DIRTY_LOG of `slot` gives, and then forgets.
  void SetDirty(uint32_t slot, uint64_t pages) { dirty_[slot] = pages; }
  void SetExtension(int capability, int value) {
    extensions_[static_cast<uintptr_t>(capability)] = value;
  }

  using Vm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override {
    if (request == KVM_CHECK_EXTENSION) {
      const auto extension = extensions_.find(argument);
      return extension == extensions_.end() ? 0 : extension->second;
    }
    ++calls_[request];
    if (const auto failure = failures_.find(request);
        failure != failures_.end() && failure->second.first-- == 0) {
      const int result = failure->second.second;
      failures_.erase(failure);
      return result;
    }
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
    Keep(request, reinterpret_cast<const void*>(argument));
    std::deque<int>& answers = answers_[request];
    if (request == KVM_GET_DIRTY_LOG && answers.empty()) {
      // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
      GiveDirty(*reinterpret_cast<const kvm_dirty_log*>(argument));
    }
    if (answers.empty()) return 0;
    const int result = answers.front();
    answers.pop_front();
    return result;
  }

  int calls(uint64_t request) { return calls_[request]; }

  // What came with each request, and is forgotten.
  std::vector<kvm_userspace_memory_region> TakeRegions() {
    return std::exchange(regions_, {});
  }
  std::vector<kvm_ioeventfd> TakeIoEventFds() {
    return std::exchange(io_event_fds_, {});
  }
  std::vector<kvm_irqfd> TakeIrqfds() { return std::exchange(irqfds_, {}); }
  std::vector<kvm_msi> TakeMessages() { return std::exchange(messages_, {}); }
  std::vector<kvm_irq_level> TakeLevels() { return std::exchange(levels_, {}); }
  // Whole tables of routes, as the kernel reads them.
  std::vector<std::vector<kvm_irq_routing_entry>> TakeTables() {
    return std::exchange(tables_, {});
  }

  // Requests that nothing here knows.
  const std::vector<uint64_t>& unknown() const { return unknown_; }

 private:
  template <typename T>
  static void Add(std::vector<T>& kept, const void* argument) {
    std::memcpy(&kept.emplace_back(), argument, sizeof(T));
  }

  void Keep(uint64_t request, const void* argument) {
    if (request == KVM_SET_USER_MEMORY_REGION) return Add(regions_, argument);
    if (request == KVM_IOEVENTFD) return Add(io_event_fds_, argument);
    if (request == KVM_IRQFD) return Add(irqfds_, argument);
    if (request == KVM_SIGNAL_MSI) return Add(messages_, argument);
    if (request == KVM_IRQ_LINE) return Add(levels_, argument);
    if (request == SetGsiRoutingRequest()) return AddTable(argument);
    if (request == KVM_GET_DIRTY_LOG) return;
    unknown_.push_back(request);
  }

  void GiveDirty(const kvm_dirty_log& log) {
    const uint64_t pages = std::exchange(dirty_[log.slot], 0);
    std::memcpy(log.dirty_bitmap, &pages, sizeof(pages));
  }

  void AddTable(const void* argument) {
    uint32_t count = 0;
    std::memcpy(&count, argument, sizeof(count));
    auto& table = tables_.emplace_back(count);
    if (table.empty()) return;
    std::memcpy(
        table.data(),
        static_cast<const uint8_t*>(argument) + SetGsiRoutingHeaderSize(),
        count * sizeof(table[0]));
  }

  std::map<uint64_t, std::deque<int>> answers_;
  std::map<uintptr_t, int> extensions_;
  std::map<uint32_t, uint64_t> dirty_;
  std::map<uint64_t, std::pair<int, int>> failures_;
  std::map<uint64_t, int> calls_;
  std::vector<kvm_userspace_memory_region> regions_;
  std::vector<kvm_ioeventfd> io_event_fds_;
  std::vector<kvm_irqfd> irqfds_;
  std::vector<kvm_msi> messages_;
  std::vector<kvm_irq_level> levels_;
  std::vector<std::vector<kvm_irq_routing_entry>> tables_;
  std::vector<uint64_t> unknown_;
};

}  // namespace ivshmem::kvm

#endif  // IVSHMEM_BACKENDS_KVM_RECORDING_VM_H_
