// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/device_vm.h"

#include <fcntl.h>
#include <sys/eventfd.h>

#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/synchronization/notification.h"
#include "bench/kvm/boot.h"
#include "bench/measured.h"
#include "bus/access.h"
#include "bus/pci/registers.h"
#include "core/shared_memory.h"

namespace ivshmem::bench {
namespace {

using Change = DeviceAttachment::Change;

template <typename Handler>
void Write32(Handler& handler, uint64_t offset, uint32_t value) {
  uint8_t bytes[sizeof(value)];
  StoreLittleEndian(value, absl::MakeSpan(bytes));
  handler.Write(offset, absl::MakeConstSpan(bytes));
}

// Returns when all that `loop` has to do now is done.
void Drain(EventLoop& loop) {
  absl::Notification done;
  loop.Run([&done] { done.Notify(); });
  done.WaitForNotification();
}

// An event as another process holds it: blocking again, as QEMU makes those
// that it receives.
absl::StatusOr<std::shared_ptr<EventFd>> BlockingEvent() {
  absl::StatusOr<std::shared_ptr<EventFd>> event = EventFd::Create();
  if (!event.ok()) return event;
  const int flags = fcntl((*event)->fd(), F_GETFL);
  if (fcntl((*event)->fd(), F_SETFL, flags & ~O_NONBLOCK) != 0) {
    return absl::ErrnoToStatus(errno, "a blocking eventfd");
  }
  return event;
}

}  // namespace

void DeviceVm::WorkPort::Read(uint64_t /*offset*/,
                              absl::Span<uint8_t> bytes) noexcept {
  ++reads_;
  StoreLittleEndian(gate_.Next(), bytes);
}

uint64_t DeviceVm::exits() const {
  return machine_->vcpu().exits() - work_port_->reads();
}

absl::StatusOr<std::unique_ptr<DeviceVm>> DeviceVm::Create(
    const FastPaths& fast, int cpu) {
  auto vm = absl::WrapUnique(new DeviceVm);
  auto machine = kvm_vmm::Machine::Create(kBenchRamSize);
  if (!machine.ok()) return machine.status();
  vm->machine_ = *std::move(machine);
  vm->gate_ = std::make_unique<Gate>(vm->machine_->ram(), cpu);
  vm->work_port_ = std::make_unique<WorkPort>(*vm->gate_);
  auto claim =
      vm->machine_->ports().Claim(kWorkPort, sizeof(uint32_t), *vm->work_port_);
  if (!claim.ok()) return claim.status();
  vm->work_port_claim_ = *std::move(claim);
  if (auto status = vm->CreateDevice(fast); !status.ok()) return status;
  if (auto status = vm->Connect(); !status.ok()) return status;
  vm->Place();
  vm->Settle();
  const absl::Status booted =
      Boot(vm->machine_->vcpu().fd(), vm->machine_->ram());
  if (!booted.ok()) return booted;
  vm->machine_->vcpu().Start([vm = vm.get()] {
    vm->gate_->Fail(absl::AbortedError("the guest has stopped"));
  });
  if (const auto waits = vm->gate_->Finish(); !waits.ok()) {
    return waits.status();
  }
  return vm;
}

DeviceVm::~DeviceVm() {
  if (gate_ != nullptr) gate_->Close();
  if (machine_ != nullptr) machine_->vcpu().Stop();
  if (attachment_ != nullptr) attachment_->Close();
}

absl::Status DeviceVm::CreateDevice(const FastPaths& fast) {
  kvm::Vm& vm = machine_->vm();
  const absl::StatusOr<MemoryObject> object = MemoryObject::Memfd(kMemorySize);
  if (!object.ok()) return object.status();
  absl::StatusOr<MappedMemory> memory = object->Map();
  if (!memory.ok()) return memory.status();
  memory_ = *std::move(memory);
  mapper_ = std::make_unique<kvm::MemorySlots>(vm, machine_->slots());
  doorbells_ = std::make_unique<kvm::Doorbells>(vm);
  routes_ = std::make_unique<kvm::GsiTable>(vm, kvm::GsiTable::Pc());
  router_ = std::make_unique<kvm::IrqfdRouter>(vm, *routes_);
  msi_ = std::make_unique<kvm::MsiSignal>(vm);
  for (auto* thread : {&executor_, &link_thread_}) {
    absl::StatusOr<std::unique_ptr<LoopThread>> started = LoopThread::Start();
    if (!started.ok()) return started.status();
    *thread = *std::move(started);
  }
  absl::StatusOr<std::unique_ptr<PciDevice>> device = PciDevice::Create(
      {.dialect = kQemu,
       .vectors = 1,
       .bar_addresses = {kRegisters, kMsixTable, kMemory}},
      memory_.view(),
      {.mmio = &machine_->memory(),
       .mapper = mapper_.get(),
       .msi = msi_.get(),
       .doorbells = fast.io_event_fd ? doorbells_.get() : nullptr,
       .router = fast.irqfd ? router_.get() : nullptr,
       .executor = &executor_->loop()});
  if (!device.ok()) return device.status();
  device_ = *std::move(device);
  return absl::OkStatus();
}

absl::Status DeviceVm::Connect() {
  for (auto* event : {&ring_, &interrupt_}) {
    absl::StatusOr<std::shared_ptr<EventFd>> made = BlockingEvent();
    if (!made.ok()) return made.status();
    *event = *std::move(made);
  }
  attachment_ = std::make_shared<DeviceAttachment>(
      link_thread_->loop(), device_->device(), [](const std::string&) {});
  Apply({{.kind = Change::Kind::kId, .peer = kOwnId},
         {.kind = Change::Kind::kConnect, .peer = kPeer, .event = ring_},
         {.kind = Change::Kind::kConnect, .peer = kOwnId, .event = interrupt_},
         {.kind = Change::Kind::kOwnVector, .event = interrupt_}});
  return absl::OkStatus();
}

// What firmware and driver do.
void DeviceVm::Place() {
  MmioHandler& config = device_->config();
  Write32(config, pci::kCommand,
          pci::kCommandMemorySpace | pci::kCommandBusMaster);
  MmioHandler& table = device_->bar(PciDevice::kMsixBar);
  Write32(table, 0, 0xfee00000);
  Write32(table, 4, 0);
  Write32(table, 8, kRingInterrupt);
  Write32(table, 12, 0);
  Write32(config, pci::kMsixControl - 2,
          uint32_t{pci::kMsixControlEnable} << 16);
}

void DeviceVm::Apply(std::vector<Change> changes) {
  for (Change& change : changes) attachment_->Push(std::move(change));
  link_thread_->loop().Run([attachment = attachment_] { attachment->Apply(); });
  Drain(link_thread_->loop());
}

// Work may make more work, once.
void DeviceVm::Settle() {
  Drain(executor_->loop());
  Drain(executor_->loop());
}

absl::StatusOr<absl::Duration> DeviceVm::AddVectors(int vectors) {
  std::vector<Change> changes;
  for (int i = 0; i < vectors; ++i) {
    absl::StatusOr<std::shared_ptr<EventFd>> event = EventFd::Create();
    if (!event.ok()) return event.status();
    changes.push_back({.kind = Change::Kind::kConnect,
                       .peer = kManyPeer,
                       .vector = static_cast<Vector>(i),
                       .event = *std::move(event)});
  }
  const Stopwatch stopwatch;
  Apply(std::move(changes));
  Settle();
  return stopwatch.Elapsed();
}

absl::StatusOr<absl::Duration> DeviceVm::RemoveVectors() {
  const Stopwatch stopwatch;
  Apply({{.kind = Change::Kind::kDisconnect, .peer = kManyPeer}});
  Settle();
  return stopwatch.Elapsed();
}

}  // namespace ivshmem::bench
