// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_KVM_KVM_GUEST_H_
#define IVSHMEM_TESTING_KVM_KVM_GUEST_H_

#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/address_map.h"
#include "backends/kvm/memory_slots.h"
#include "backends/kvm/msi_signal.h"
#include "backends/kvm/vm.h"
#include "examples/kvm_vmm/machine.h"
#include "testing/kvm/guest/mailbox.h"
#include "testing/kvm/require_kvm.h"  // IWYU pragma: export

namespace ivshmem {

// A guest on a real vCPU that does what a test tells it to: accesses of memory
// and ports by real instructions, and an interrupt handler that counts.
//
// A guest that stops answering fails the test with a message and ends it: the
// process aborts, for there is nothing sensible to go on with.
//
// Threading: one thread.
class KvmGuest {
 public:
  // The guest runs and takes commands.
  static std::unique_ptr<KvmGuest> Start();

  kvm::Vm& vm() { return machine_->vm(); }
  kvm::SlotNumbers& slots() { return machine_->slots(); }
  AddressMap& memory() { return machine_->memory(); }
  AddressMap& ports() { return machine_->ports(); }

  uint32_t Read(uint32_t address, uint32_t size = 4);
  void Write(uint32_t address, uint32_t value, uint32_t size = 4,
             uint32_t count = 1);
  uint32_t In(uint16_t port, uint32_t size = 4);
  void Out(uint16_t port, uint32_t value, uint32_t size = 4);

  // See mailbox.h. WritePaced() returns at once; Finish() waits for its end.
  void WritePaced(uint32_t address, uint32_t value, uint32_t count,
                  uint32_t watch);
  // As Write(), but returns at once.
  void WriteMany(uint32_t address, uint32_t value, uint32_t count);
  void Finish();
  void CountAt(uint32_t address);
  void AcknowledgeAt(uint32_t address);

  // How many interrupts came on CPU vector kFirstInterrupt + `number`.
  uint32_t interrupts(int number) const;
  uint32_t strays() const;
  // Whether they become `count` within the test's patience.
  bool InterruptsBecome(int number, uint32_t count) const;

  // Accesses that came out of the kernel so far.
  uint64_t exits() const { return machine_->vcpu().exits(); }

 private:
  explicit KvmGuest(std::unique_ptr<kvm_vmm::Machine> machine);

  volatile GuestMailbox& mailbox() const;
  void Send(GuestOperation operation);

  const std::unique_ptr<kvm_vmm::Machine> machine_;
  kvm::MsiSignal msi_;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_KVM_KVM_GUEST_H_
