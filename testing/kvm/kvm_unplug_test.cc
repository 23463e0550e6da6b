// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device is unplugged from a guest on KVM and plugged again, while the guest
// accesses it and another rings it. Nothing of it is left each time, in the
// kernel or in this process.

#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "backends/linux/link_events.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/server_link.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

constexpr int kRounds = 12;
constexpr uint32_t kRings = 3000;

class KvmUnplug : public ::testing::Test {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    a_ = Join();
    b_ = Join();
    ASSERT_FALSE(HasFailure());
    ASSERT_TRUE(a_->Knows(b_->id(), 1) && b_->Knows(a_->id(), 1));
    b_->Settle();
  }

  // Room for its own routes alone: one that is left behind is missed.
  std::unique_ptr<KvmPciGuest> Join() {
    return std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()},
        KvmPciGuest::Options{.vectors = 2, .routes = 2});
  }

  // The lowest number of a memory slot that is free.
  static uint32_t FreeSlot(KvmPciGuest& guest) {
    const absl::StatusOr<uint32_t> slot = guest.guest().slots().Take();
    EXPECT_TRUE(slot.ok()) << slot.status();
    if (slot.ok()) guest.guest().slots().Give(*slot);
    return slot.value_or(0);
  }

  // Each hears the other.
  void ExpectRings() {
    ASSERT_TRUE(a_->Knows(b_->id(), 1));
    a_->Settle();
    b_->Settle();
    for (KvmPciGuest* guest : {a_.get(), b_.get()}) {
      KvmPciGuest& other = guest == a_.get() ? *b_ : *a_;
      const uint32_t before = other.guest().interrupts(1);
      guest->Ring(other.id(), 1);
      EXPECT_TRUE(other.guest().InterruptsBecome(1, before + 1));
    }
  }

  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
  std::unique_ptr<KvmPciGuest> a_;
  std::unique_ptr<KvmPciGuest> b_;
};

// Between the rounds the device works as ever; while it is out, all counts are
// what they were.
TEST_F(KvmUnplug, NothingIsLeft) {
  ASSERT_NO_FATAL_FAILURE(ExpectRings());
  EXPECT_GT(a_->vm().io_event_fds(), 0);
  EXPECT_EQ(a_->vm().irqfds(), 2);
  std::map<int, std::string> fds;
  uint32_t slot = 0;
  for (int round = 0; round < kRounds; ++round) {
    SCOPED_TRACE(round);
    const uint32_t doorbell = Doorbell{a_->id(), 0}.Encode();
    b_->guest().WriteMany(b_->doorbell(), doorbell, kRings);
    // Its own doorbell and those of the other, BAR1, and the memory.
    switch (round % 4) {
      case 0:
        a_->guest().WriteMany(a_->doorbell(), doorbell, kRings);
        break;
      case 1:
        a_->guest().WriteMany(a_->doorbell(), Doorbell{b_->id(), 0}.Encode(),
                              kRings);
        break;
      case 2:
        a_->guest().WriteMany(KvmPciGuest::kBar1 + 12, 1, kRings);
        break;
      default:
        a_->guest().WriteMany(KvmPciGuest::kBar2, 1, kRings);
        break;
    }
    a_->Unplug();
    EXPECT_EQ(a_->vm().io_event_fds(), 0);
    EXPECT_EQ(a_->vm().irqfds(), 0);
    a_->guest().Finish();
    b_->guest().Finish();
    b_->Settle();
    if (round == 0) {
      fds = OpenFds();
      slot = FreeSlot(*a_);
    }
    EXPECT_EQ(OpenFds(), fds);
    EXPECT_EQ(FreeSlot(*a_), slot);
    a_->PlugAgain();
    EXPECT_EQ(a_->Register(kPositionOffset), 0xffffffffu) << "no BAR is placed";
    a_->SetUp();
    EXPECT_EQ(a_->Register(kPositionOffset), a_->id());
    ASSERT_NO_FATAL_FAILURE(ExpectRings());
    EXPECT_EQ(a_->vm().irqfds(), 2);
  }
}

// What is rung while the device is out is the next one's, whose guest has not
// let interrupts through yet: it is lost, as after a reset, or comes once.
TEST_F(KvmUnplug, RungWhileItIsOut) {
  const PeerId id = a_->id();
  a_->Unplug();
  b_->Ring(id, 1);
  const uint32_t before = a_->guest().interrupts(1);
  a_->PlugAgain();
  a_->SetUp();
  ASSERT_TRUE(a_->Knows(b_->id(), 1));
  a_->Settle();
  b_->Ring(id, 1);
  EXPECT_TRUE(Becomes([&] { return a_->guest().interrupts(1) > before; }));
  a_->Settle();
  EXPECT_LE(a_->guest().interrupts(1), before + 2);
}

// Its guest, its link and all go while the other rings.
TEST_F(KvmUnplug, TheWholeGuest) {
  std::map<int, std::string> fds;
  for (int round = 0; round < 3; ++round) {
    b_->guest().WriteMany(b_->doorbell(), Doorbell{a_->id(), 0}.Encode(),
                          10 * kRings);
    a_ = nullptr;
    b_->guest().Finish();
    ASSERT_TRUE(b_->link().Happens(LinkEvent::Kind::kPeerLeft, round + 1));
    b_->Settle();
    EXPECT_LE(b_->vm().io_event_fds(), 2) << "its own vectors";
    if (round == 0) fds = OpenFds();
    EXPECT_EQ(OpenFds(), fds);
    a_ = Join();
    ASSERT_TRUE(b_->Knows(a_->id(), 1));
    ASSERT_NO_FATAL_FAILURE(ExpectRings());
  }
}

}  // namespace
}  // namespace ivshmem
