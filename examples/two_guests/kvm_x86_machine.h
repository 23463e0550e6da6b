// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_KVM_X86_MACHINE_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_KVM_X86_MACHINE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/kvm/doorbells.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/irqfd_router.h"
#include "backends/kvm/memory_slots.h"
#include "backends/kvm/msi_signal.h"
#include "backends/linux/event_loop.h"
#include "examples/kvm_vmm/machine.h"
#include "examples/two_guests/pc_machine.h"

namespace ivshmem::two_guests {

// The PC on KVM: a real processor runs the guest, and the kernel has its local
// APIC. Its slices are turns as those of an emulated machine: it runs inside
// Run() only, on that thread, which its devices are called on.
//
// KVM does not count basic blocks, so a slice ends by the clock, after
// kLongestSlice. And a processor that waits does so inside the kernel: whether
// it does is looked at every kGlance.
//
// Threading: as Machine, but EndSlice() from any thread.
class KvmX86Machine : public PcMachine {
 public:
  static constexpr absl::Duration kLongestSlice = absl::Seconds(3);
  static constexpr absl::Duration kGlance = absl::Milliseconds(1);

  // `image` is loaded and will be entered as board.h says. `loop` is run by
  // another thread and outlives the machine. Errors: what the kernel says where
  // KVM cannot be used, or an image that is too large.
  static absl::StatusOr<std::unique_ptr<KvmX86Machine>> Create(
      absl::Span<const uint8_t> image, EventLoop& loop);

  // OK where KVM can be used: a guest has run on it to its end. Else why not.
  static absl::Status Probe();

  absl::StatusOr<State> Run(int blocks) override;
  void EndSlice() override;

  MmioSpace& mmio() override { return machine_->memory(); }
  MemoryMapper& memory() override { return mapper_; }
  MmioSpace& ports() override { return machine_->ports(); }
  pci::MsiSink& msi() override { return msi_; }
  DoorbellAccelerator* doorbells() override { return &doorbells_; }
  IrqRouter* router() override { return &router_; }

 private:
  explicit KvmX86Machine(std::unique_ptr<kvm_vmm::Machine> machine);
  absl::StatusOr<bool> Halted() const;

  const std::unique_ptr<kvm_vmm::Machine> machine_;
  kvm::MemorySlots mapper_;
  kvm::MsiSignal msi_;
  kvm::Doorbells doorbells_;
  kvm::GsiTable routes_;
  kvm::IrqfdRouter router_;
  std::atomic<bool> slice_over_{false};
  std::unique_ptr<EventLoop::Timer> glance_;  // Goes first.
};

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_KVM_X86_MACHINE_H_
