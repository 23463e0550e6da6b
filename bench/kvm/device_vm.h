// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_DEVICE_VM_H_
#define IVSHMEM_BENCH_KVM_DEVICE_VM_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/kvm/doorbells.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/irqfd_router.h"
#include "backends/kvm/memory_slots.h"
#include "backends/kvm/msi_signal.h"
#include "backends/linux/device_attachment.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/loop_thread.h"
#include "backends/linux/memory_object.h"
#include "backends/registration.h"
#include "bench/kvm/contender.h"
#include "bench/kvm/gate.h"
#include "bus/mmio_handler.h"
#include "device/pci_device.h"
#include "examples/kvm_vmm/machine.h"

namespace ivshmem::bench {

// This project's device in the VMM of examples/kvm_vmm, as an embedder has it;
// peers come and go as a server's messages bring them.
class DeviceVm : public Contender {
 public:
  // A guest that waits for work. vCPUs run on processor `cpu`.
  static absl::StatusOr<std::unique_ptr<DeviceVm>> Create(const FastPaths& fast,
                                                          int cpu);
  ~DeviceVm() override;

  Gate& gate() override { return *gate_; }
  int ring_fd() const override { return ring_->fd(); }
  int interrupt_fd() const override { return interrupt_->fd(); }
  int vcpu_fd() const override { return machine_->vcpu().fd(); }
  uint64_t exits() const override;
  absl::StatusOr<absl::Duration> AddVectors(int vectors) override;
  absl::StatusOr<absl::Duration> RemoveVectors() override;

 private:
  // kWorkPort.
  class WorkPort : public MmioHandler {
   public:
    explicit WorkPort(Gate& gate) : gate_(gate) {}
    void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override;
    void Write(uint64_t /*offset*/,
               absl::Span<const uint8_t> /*bytes*/) noexcept override {}
    uint64_t reads() const { return reads_; }

   private:
    Gate& gate_;
    uint64_t reads_ = 0;
  };

  DeviceVm() = default;

  // Parts of Create().
  absl::Status CreateDevice(const FastPaths& fast);
  absl::Status Connect();
  void Place();

  // Brings `change` to the device, as the thread of a link does.
  void Apply(std::vector<DeviceAttachment::Change> changes);
  // Returns when the short cuts are as they should be.
  void Settle();

  std::unique_ptr<kvm_vmm::Machine> machine_;
  std::unique_ptr<Gate> gate_;
  std::unique_ptr<WorkPort> work_port_;
  RegistrationPtr work_port_claim_;
  MappedMemory memory_;
  std::unique_ptr<kvm::MemorySlots> mapper_;
  std::unique_ptr<kvm::Doorbells> doorbells_;
  std::unique_ptr<kvm::GsiTable> routes_;
  std::unique_ptr<kvm::IrqfdRouter> router_;
  std::unique_ptr<kvm::MsiSignal> msi_;
  std::unique_ptr<LoopThread> executor_;
  std::unique_ptr<LoopThread> link_thread_;
  std::shared_ptr<EventFd> ring_;
  std::shared_ptr<EventFd> interrupt_;
  std::unique_ptr<PciDevice> device_;
  std::shared_ptr<DeviceAttachment> attachment_;
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_DEVICE_VM_H_
