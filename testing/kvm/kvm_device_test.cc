// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// This project's PCI device on KVM: guests' own instructions, a real server,
// with doorbells and interrupts in the kernel or without.

#include <memory>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "backends/linux/link_events.h"
#include "core/registers.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

constexpr uint32_t kRings = 10'000;

// Where doorbells and interrupts go: through the kernel alone, or through us.
using Paths = std::tuple<bool, bool>;

class KvmDevice : public ::testing::TestWithParam<Paths> {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    a_ = Join();
    b_ = Join();
    ASSERT_TRUE(a_->Knows(b_->id(), 1));
    ASSERT_TRUE(b_->Knows(a_->id(), 1));
    ASSERT_TRUE(b_->Knows(b_->id(), 1)) << "it is told of itself last";
    Settle();
  }

  static bool io_event_fd() { return std::get<0>(GetParam()); }
  static bool irqfd() { return std::get<1>(GetParam()); }

  std::unique_ptr<KvmPciGuest> Join() {
    return std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()},
        KvmPciGuest::Options{
            .vectors = 2, .io_event_fd = io_event_fd(), .irqfd = irqfd()});
  }
  void Settle() {
    a_->Settle();
    b_->Settle();
  }

  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
  std::unique_ptr<KvmPciGuest> a_;
  std::unique_ptr<KvmPciGuest> b_;
};

INSTANTIATE_TEST_SUITE_P(
    Paths, KvmDevice, ::testing::Combine(::testing::Bool(), ::testing::Bool()),
    [](const auto& info) {
      return absl::StrCat(std::get<0>(info.param) ? "IoEventFd" : "Trapped",
                          std::get<1>(info.param) ? "Irqfd" : "Signalled");
    });

// The guests find the device, place its BARs, and see their ids; what one
// writes into BAR2 the other reads, without leaving the guest.
// Clause: bar2
TEST_P(KvmDevice, MemoryIsShared) {
  EXPECT_EQ(a_->Register(kPositionOffset), a_->id());
  EXPECT_EQ(b_->Register(kPositionOffset), b_->id());
  EXPECT_NE(a_->id(), b_->id());
  const uint64_t exits = a_->exits() + b_->exits();
  a_->guest().Write(KvmPciGuest::kBar2 + 0x1234, 0xfeedf00d);
  EXPECT_EQ(b_->guest().Read(KvmPciGuest::kBar2 + 0x1234), 0xfeedf00du);
  b_->guest().Write(KvmPciGuest::kBar2 + 0xfffff, 0x77, 1);
  EXPECT_EQ(a_->guest().Read(KvmPciGuest::kBar2 + 0xfffff, 1), 0x77u);
  EXPECT_EQ(a_->exits() + b_->exits(), exits);
}

// A sizes the memory's BAR as any driver: ones written, the size read.
TEST_P(KvmDevice, BarsAreSized) {
  a_->SetCommand(0);
  a_->SetConfig(pci::kBar0 + 8, 0xffffffff);
  EXPECT_EQ(a_->Config(pci::kBar0 + 8), 0xfff0000cu);  // 1 MiB, 64-bit.
  a_->SetConfig(pci::kBar0 + 8, KvmPciGuest::kBar2);
  a_->SetCommand(KvmPciGuest::kDecodeAndMaster);
  a_->guest().Write(KvmPciGuest::kBar2, 0x01020304);
  EXPECT_EQ(b_->guest().Read(KvmPciGuest::kBar2), 0x01020304u);
}

// 10,000 rings, each after the last has been counted by the other's handler:
// none is lost, none comes twice; and the doorbell's path is the one that was
// asked for.
// Clause: doorbell-fields
TEST_P(KvmDevice, RingsArrive) {
  constexpr uint32_t kCounter = KvmPciGuest::kBar2 + 0x40;
  b_->guest().CountAt(kCounter);
  const uint64_t exits = a_->exits();
  a_->guest().WritePaced(a_->doorbell(), Doorbell{b_->id(), 1}.Encode(), kRings,
                         kCounter);
  a_->guest().Finish();
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, kRings));
  EXPECT_EQ(b_->guest().interrupts(0), 0u);
  EXPECT_EQ(a_->exits() - exits, io_event_fd() ? 0 : kRings);
}

// A peer may ring itself.
TEST_P(KvmDevice, RingsItself) {
  a_->Ring(a_->id(), 0);
  EXPECT_TRUE(a_->guest().InterruptsBecome(0, 1));
}

// A vector that the peer lacks, and a peer that is not there: nothing happens.
// Clause: doorbell-absent-peer, doorbell-absent-vector
TEST_P(KvmDevice, RingsNobody) {
  a_->Ring(b_->id(), 2);
  a_->Ring(7, 0);
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, 1));
  EXPECT_EQ(b_->guest().interrupts(0), 0u);
  EXPECT_EQ(a_->device().device().count(RingResult::kNoSuchVector), 1u);
  EXPECT_EQ(a_->device().device().count(RingResult::kNoSuchPeer), 1u);
}

// A masked vector keeps what is rung until it is unmasked; the pending bit says
// so meanwhile.
// Clause: pending, msix-vector-mask
TEST_P(KvmDevice, MaskedVectorsArePending) {
  b_->MaskVector(1, true);
  Settle();
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(Becomes(
      [&] { return b_->guest().Read(KvmPciGuest::kBar1 + 0x800) == 2; }));
  EXPECT_EQ(b_->guest().interrupts(1), 0u);
  b_->MaskVector(1, false);
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, 1));
  EXPECT_EQ(b_->guest().Read(KvmPciGuest::kBar1 + 0x800), 0u);
  Settle();
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, 2));
}

// A ring that comes while its vector is being unmasked interrupts once, though
// the kernel sends it and leaves it in the eventfd for who reads there.
TEST_P(KvmDevice, RungWhileItIsRouted) {
  b_->MaskVector(1, true);
  Settle();
  absl::Notification stopped;
  absl::Notification go_on;
  b_->link().Run([&] {
    stopped.Notify();
    go_on.WaitForNotification();
  });
  stopped.WaitForNotification();
  a_->Ring(b_->id(), 1);
  b_->MaskVector(1, false);
  if (irqfd()) {
    EXPECT_TRUE(b_->guest().InterruptsBecome(1, 1));
  }
  go_on.Notify();
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, 1));
  Settle();
  a_->Ring(b_->id(), 0);
  EXPECT_TRUE(b_->guest().InterruptsBecome(0, 1));
  EXPECT_EQ(b_->guest().interrupts(1), 1u);
}

// MSI-X off: rings are dropped. On again: they arrive.
TEST_P(KvmDevice, MsixOffAndOn) {
  b_->SetConfig(pci::kMsixControl, 0, 2);
  Settle();
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(Becomes([&] {
    return b_->device().device().count(InterruptResult::kDisabled) == 1;
  }));
  b_->SetConfig(pci::kMsixControl, pci::kMsixControlEnable, 2);
  Settle();
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, 1));
}

// A message that the guest changes while its vector is masked: the next
// interrupt goes where it says.
TEST_P(KvmDevice, MessagesChange) {
  b_->MaskVector(1, true);
  b_->guest().Write(KvmPciGuest::kBar1 + 16 + 8, kFirstInterrupt + 9);
  b_->MaskVector(1, false);
  Settle();
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(b_->guest().InterruptsBecome(9, 1));
  EXPECT_EQ(b_->guest().interrupts(1), 0u);
}

// BAR0 moves: rings at the old place are nobody's, at the new one they arrive.
TEST_P(KvmDevice, Bar0Moves) {
  const uint32_t old = a_->doorbell();
  a_->MoveBar0(0xe0800000);
  a_->guest().Write(old, Doorbell{b_->id(), 1}.Encode());
  Settle();
  a_->Ring(b_->id(), 0);
  EXPECT_TRUE(b_->guest().InterruptsBecome(0, 1));
  EXPECT_EQ(b_->guest().interrupts(1), 0u);
  EXPECT_EQ(a_->Register(kPositionOffset), a_->id());
}

// BAR0 moves and its decode goes on and off while the other rings: what is rung
// while nothing moves arrives.
TEST_P(KvmDevice, Bar0MovesWhileTheOtherRings) {
  b_->guest().WriteMany(b_->doorbell(), Doorbell{a_->id(), 1}.Encode(), 5000);
  for (uint32_t i = 0; i < 20; ++i) {
    a_->MoveBar0(0xe0000000 + (i % 2) * 0x800000);
    a_->SetCommand(0);
    a_->SetCommand(KvmPciGuest::kDecodeAndMaster);
  }
  b_->guest().Finish();
  Settle();
  const uint32_t before = b_->guest().interrupts(0);
  a_->Ring(b_->id(), 0);
  EXPECT_TRUE(b_->guest().InterruptsBecome(0, before + 1));
  EXPECT_TRUE(Becomes([&] { return a_->guest().interrupts(1) > 0; }));
}

// BAR2 moves: the memory is where it was put, and nowhere else.
TEST_P(KvmDevice, Bar2Moves) {
  b_->guest().Write(KvmPciGuest::kBar2, 0x55aa55aa);
  a_->SetConfig(pci::kBar0 + 8, 0xe4000000);
  EXPECT_EQ(a_->guest().Read(0xe4000000), 0x55aa55aau);
  EXPECT_EQ(a_->guest().Read(KvmPciGuest::kBar2), 0xffffffffu);
}

// The kernel refuses to map BAR2 where it is: it is out of the guest's sight,
// the rest works; and it is there when it has been placed anew.
TEST_P(KvmDevice, Bar2CannotBeMapped) {
  // Nor is it unmapped where it was, twice.
  a_->vm().Fail(KVM_SET_USER_MEMORY_REGION, ENOMEM, 3);
  a_->SetConfig(pci::kBar0 + 8, 0xe4000000);
  EXPECT_EQ(a_->guest().Read(0xe4000000), 0xffffffffu);
  a_->SetConfig(pci::kBar0 + 8, 0xe5000000);
  b_->guest().Write(KvmPciGuest::kBar2, 0x13579bdf);
  EXPECT_EQ(a_->guest().Read(0xe5000000), 0x13579bdfu);
  EXPECT_EQ(a_->guest().Read(KvmPciGuest::kBar2), 0xffffffffu)
      << "it was unmapped with the next mapping";
}

// A peer that goes is nobody, and is rung again when it is back.
TEST_P(KvmDevice, APeerGoesAndComesBack) {
  const PeerId id = b_->id();
  b_ = nullptr;
  ASSERT_TRUE(a_->link().Happens(LinkEvent::Kind::kPeerLeft));
  a_->Settle();
  EXPECT_EQ(a_->vm().io_event_fds(), io_event_fd() ? 2 : 0);  // Its own.
  a_->Ring(id, 1);
  EXPECT_EQ(a_->device().device().count(RingResult::kNoSuchPeer), 1u);
  b_ = Join();
  ASSERT_TRUE(a_->Knows(b_->id(), 1));
  Settle();
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, 1));
}

// A reset forgets MSI-X, the routes with it; a driver sets all up anew.
TEST_P(KvmDevice, Resets) {
  b_->device().Reset();
  b_->Settle();
  b_->SetConfig(pci::kBar0, KvmPciGuest::kBar0);
  b_->SetConfig(pci::kBar0 + 4, KvmPciGuest::kBar1);
  b_->SetConfig(pci::kBar0 + 8, KvmPciGuest::kBar2);
  b_->SetCommand(KvmPciGuest::kDecodeAndMaster);
  b_->EnableMsix();
  Settle();
  a_->Ring(b_->id(), 1);
  EXPECT_TRUE(b_->guest().InterruptsBecome(1, 1));
  b_->Ring(a_->id(), 0);
  EXPECT_TRUE(a_->guest().InterruptsBecome(0, 1));
}

}  // namespace
}  // namespace ivshmem
