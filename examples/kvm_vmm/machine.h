// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_MACHINE_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_MACHINE_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/address_map.h"
#include "backends/kvm/memory_slots.h"
#include "backends/kvm/vm.h"
#include "backends/linux/unique_fd.h"
#include "backends/registration.h"
#include "examples/kvm_vmm/vcpu.h"

namespace ivshmem::kvm_vmm {

// A small PC on KVM: RAM from address 0, one processor, and the interrupt
// controllers and timer that KVM has in the kernel (PICs, IOAPIC, local APIC,
// PIT). Devices claim addresses and ports.
//
// Threading: one thread; memory(), ports() and slots() from any.
class Machine {
 public:
  // `ram_size` is in bytes, whole pages, at most 3 GiB. Errors: NotFound where
  // there is no /dev/kvm; what the kernel says.
  static absl::StatusOr<std::unique_ptr<Machine>> Create(uint64_t ram_size);

  // In bytes.
  static constexpr uint64_t kMostFirmware = 128 << 10;

  // Maps `image` read-only so that it ends at 4 GiB, where a processor begins.
  // A copy ends at 1 MiB, in RAM, as firmware finds it on a PC. Errors: an
  // image of no bytes or of more than 128 KiB.
  absl::Status LoadFirmware(absl::Span<const uint8_t> image);

  // Everything that a backend asks of the VM.
  kvm::Vm& vm() { return *vm_; }
  kvm::SlotNumbers& slots() { return slots_; }

  // Where accesses go that are not to RAM. What nobody claims reads ones.
  AddressMap& memory() { return memory_; }
  AddressMap& ports() { return ports_; }

  uint8_t* ram() { return ram_.data(); }
  Vcpu& vcpu() { return *vcpu_; }

 private:
  // Memory of this process, in pages of its own.
  class Pages {
   public:
    Pages() = default;
    static absl::StatusOr<Pages> Allocate(uint64_t size);
    ~Pages();
    Pages(Pages&& other) noexcept;
    Pages& operator=(Pages&& other) noexcept;

    uint8_t* data() const { return data_; }
    uint64_t size() const { return size_; }

   private:
    uint8_t* data_ = nullptr;
    uint64_t size_ = 0;
  };

  Machine() = default;

  UniqueFd kvm_fd_;
  UniqueFd vm_fd_;
  std::unique_ptr<kvm::VmFd> vm_;
  kvm::SlotRange slots_{0, 32};
  std::unique_ptr<kvm::MemorySlots> mapper_;
  Pages ram_;
  Pages rom_;
  RegistrationPtr ram_slot_;
  RegistrationPtr rom_slot_;
  AddressMap memory_;
  AddressMap ports_;
  std::unique_ptr<Vcpu> vcpu_;
};

}  // namespace ivshmem::kvm_vmm

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_MACHINE_H_
