// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The flat device on KVM, with its one interrupt line.

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backends/kvm/doorbells.h"
#include "backends/kvm/irq_lines.h"
#include "backends/kvm/memory_slots.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/loop_thread.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "gtest/gtest.h"
#include "testing/kvm/faulty_vm.h"
#include "testing/kvm/ioapic.h"
#include "testing/kvm/kvm_guest.h"

namespace ivshmem {
namespace {

constexpr uint32_t kRegisters = 0xe0000000;
constexpr uint32_t kMemory = 0xe1000000;
constexpr uint64_t kSize = 0x5000;  // No power of two.
constexpr int kPin = 21;
constexpr int kNumber = 6;
constexpr PeerId kOwn = 3;
constexpr PeerId kOther = 9;

class KvmFlatDevice : public ::testing::Test {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    guest_ = KvmGuest::Start();
    vm_.emplace(guest_->vm());
    ioapic_.emplace(*guest_);
    ioapic_->Connect(kPin, kNumber, Ioapic::Trigger::kEdge);
    mapper_.emplace(*vm_, guest_->slots());
    doorbells_.emplace(*vm_);
    auto irq = kvm::IrqPulse::Create(*vm_, kPin);
    ASSERT_TRUE(irq.ok()) << irq.status();
    irq_ = *std::move(irq);
    Create(&*doorbells_);
  }

  void Create(DoorbellAccelerator* doorbells,
              MemoryAccess access = MemoryAccess::kReadWrite) {
    watch_ = nullptr;
    device_ = nullptr;
    auto device = FlatDevice::Create({.registers_address = kRegisters,
                                      .memory_address = kMemory,
                                      .block = {.id = kOwn, .access = access}},
                                     {memory_.get(), kSize},
                                     {.mmio = &guest_->memory(),
                                      .mapper = &*mapper_,
                                      .irq = irq_.get(),
                                      .doorbells = doorbells});
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
    ASSERT_TRUE(device_->device().peers().Connect(kOther, 1, other_).ok());
    ASSERT_TRUE(device_->device().peers().Connect(kOwn, 0, own_).ok());
    watch_ = *loop_->loop().NewWatch(own_->fd(), EPOLLIN, [this](uint32_t) {
      if (own_->Drain()) device_->device().OnPeerInterrupt(0);
    });
  }

  void Ring(PeerId peer, Vector vector) {
    guest_->Write(kRegisters + kDoorbellOffset,
                  Doorbell{peer, vector}.Encode());
  }

  struct Free {
    void operator()(uint8_t* data) const { std::free(data); }
  };
  const std::unique_ptr<uint8_t, Free> memory_{
      static_cast<uint8_t*>(std::aligned_alloc(4096, kSize))};
  const std::shared_ptr<EventFd> other_ = *EventFd::Create();
  const std::shared_ptr<EventFd> own_ = *EventFd::Create();
  const std::unique_ptr<LoopThread> loop_ = *LoopThread::Start();
  std::unique_ptr<KvmGuest> guest_;
  std::optional<FaultyVm> vm_;
  std::optional<Ioapic> ioapic_;
  std::optional<kvm::MemorySlots> mapper_;
  std::optional<kvm::Doorbells> doorbells_;
  std::unique_ptr<kvm::IrqPulse> irq_;
  std::unique_ptr<FlatDevice> device_;
  std::unique_ptr<EventLoop::Watch> watch_;
};

// The guest sees its id, and memory of any size without leaving the guest.
TEST_F(KvmFlatDevice, RegistersAndMemory) {
  EXPECT_EQ(guest_->Read(kRegisters + kPositionOffset), kOwn);
  const uint64_t exits = guest_->exits();
  guest_->Write(kMemory + kSize - 4, 0x11223344);
  EXPECT_EQ(memory_.get()[kSize - 4], 0x44);
  memory_.get()[7] = 0x99;
  EXPECT_EQ(guest_->Read(kMemory + 7, 1), 0x99u);
  EXPECT_EQ(guest_->exits(), exits);
  EXPECT_EQ(guest_->Read(kMemory + kSize), 0xffffffffu);
}

// Memory that the guest may only read: what it writes is lost and counted, what
// it reads does not leave the guest.
TEST_F(KvmFlatDevice, ReadOnlyMemory) {
  Create(&*doorbells_, MemoryAccess::kReadOnly);
  memory_.get()[kSize - 4] = 0x55;
  guest_->Write(kMemory + kSize - 4, 0x11223344);
  guest_->Write(kMemory + kSize - 4, 0, 1, 9);
  EXPECT_EQ(memory_.get()[kSize - 4], 0x55);
  EXPECT_EQ(device_->refused_memory_writes(), 10u);
  const uint64_t exits = guest_->exits();
  EXPECT_EQ(guest_->Read(kMemory + kSize - 4, 1), 0x55u);
  EXPECT_EQ(guest_->exits(), exits);
}

// The doorbell rings in the kernel, each connected vector, and no other.
TEST_F(KvmFlatDevice, RingsInTheKernel) {
  EXPECT_EQ(vm_->io_event_fds(), 2);
  const uint64_t exits = guest_->exits();
  Ring(kOther, 1);
  EXPECT_TRUE(other_->Drain());
  EXPECT_EQ(guest_->exits(), exits);
  Ring(kOther, 0);
  EXPECT_FALSE(other_->Drain());
  EXPECT_EQ(device_->device().count(RingResult::kNoSuchVector), 1u);
}

// Without acceleration the same arrives by way of an exit.
TEST_F(KvmFlatDevice, RingsByExits) {
  Create(/*doorbells=*/nullptr);
  const uint64_t exits = guest_->exits();
  Ring(kOther, 1);
  EXPECT_TRUE(other_->Drain());
  EXPECT_EQ(guest_->exits(), exits + 1);
}

// A peer's interrupt, of any vector, is an edge on the line.
TEST_F(KvmFlatDevice, EveryVectorPulsesTheLine) {
  device_->device().OnPeerInterrupt(0);
  EXPECT_TRUE(guest_->InterruptsBecome(kNumber, 1));
  device_->device().OnPeerInterrupt(1);
  EXPECT_TRUE(guest_->InterruptsBecome(kNumber, 2));
}

// All the way: the guest's store, an ioeventfd, the device, an irqfd, the
// guest's handler.
TEST_F(KvmFlatDevice, RingsItself) {
  for (uint32_t i = 1; i <= 50; ++i) {
    Ring(kOwn, 0);
    ASSERT_TRUE(guest_->InterruptsBecome(kNumber, i));
  }
}

// A device that goes leaves nothing bound and nothing mapped.
TEST_F(KvmFlatDevice, Goes) {
  watch_ = nullptr;
  device_ = nullptr;
  EXPECT_EQ(vm_->io_event_fds(), 0);
  EXPECT_EQ(guest_->Read(kMemory), 0xffffffffu);
  EXPECT_EQ(guest_->Read(kRegisters + kPositionOffset), 0xffffffffu);
}

}  // namespace
}  // namespace ivshmem
