// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// More doorbells than the VM's bus has room for: the rest are trapped, and take
// turns; nothing is lost, and nothing stalls the guest.

#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/linux/event_fd.h"
#include "core/registers.h"
#include "device/trapped_rings.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

constexpr int kVectors = 100;
constexpr int kOthers = 19;
constexpr int kPairs = kVectors * (kOthers + 1);  // Its own too.
constexpr int kRoom = 500;

// A guest beside 19 peers of 100 vectors each, who are eventfds in this
// process.
class KvmCrowdedBus : public ::testing::Test {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    guest_ = std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()},
        KvmPciGuest::Options{.vectors = kVectors});
    ASSERT_TRUE(guest_->Knows(guest_->id(), kVectors - 1));
    guest_->Settle();
  }

  void Connect() {
    for (int peer = 0; peer < kOthers; ++peer) {
      for (int vector = 0; vector < kVectors; ++vector) {
        events_.push_back(*EventFd::Create());
        ASSERT_TRUE(guest_->device()
                        .device()
                        .peers()
                        .Connect(static_cast<PeerId>(kFirst + peer),
                                 static_cast<Vector>(vector), events_.back())
                        .ok());
      }
    }
  }
  static PeerId PeerOf(int event) {
    return static_cast<PeerId>(kFirst + event / kVectors);
  }
  static Vector VectorOf(int event) {
    return static_cast<Vector>(event % kVectors);
  }
  void Ring(int event, uint32_t times = 1) {
    guest_->Ring(PeerOf(event), VectorOf(event), times);
  }

  static constexpr int kFirst = 100;

  ServerProcess server_{{"--vectors", absl::StrCat(kVectors)}};
  std::unique_ptr<KvmPciGuest> guest_;
  std::vector<std::shared_ptr<EventFd>> events_;
};

// 2,000 (peer, vector) pairs on a bus with room for 500: each ring arrives.
TEST_F(KvmCrowdedBus, AllAreDelivered) {
  guest_->vm().LimitIoEventFds(kRoom);
  Connect();
  guest_->Settle();
  EXPECT_EQ(guest_->vm().io_event_fds(), kRoom);
  const uint64_t exits = guest_->exits();
  for (size_t event = 0; event < events_.size(); ++event) {
    Ring(static_cast<int>(event));
    EXPECT_TRUE(events_[event]->Drain()) << event;
  }
  for (const auto& event : events_) EXPECT_FALSE(event->Drain());
  EXPECT_EQ(guest_->exits() - exits, uint64_t{kPairs - kRoom});
}

// A bus with room for all: all are bound, none exits.
TEST_F(KvmCrowdedBus, AllFit) {
  Connect();
  guest_->Settle();
  EXPECT_EQ(guest_->vm().io_event_fds(), kPairs);
  const uint64_t exits = guest_->exits();
  for (size_t event = 0; event < events_.size(); ++event) {
    Ring(static_cast<int>(event));
    EXPECT_TRUE(events_[event]->Drain()) << event;
  }
  EXPECT_EQ(guest_->exits(), exits);
}

// A doorbell that is trapped and rung often gets the place of one that is not.
TEST_F(KvmCrowdedBus, TheBusyOnesTakeTurns) {
  guest_->vm().LimitIoEventFds(kRoom);
  Connect();
  guest_->Settle();
  const int busy = static_cast<int>(events_.size()) - 1;
  Ring(busy, TrappedRings::kOften);
  guest_->Settle();
  const uint64_t exits = guest_->exits();
  Ring(busy, 1000);
  EXPECT_EQ(guest_->exits(), exits);
  EXPECT_EQ(guest_->vm().io_event_fds(), kRoom);
  EXPECT_TRUE(events_[static_cast<size_t>(busy)]->Drain());
}

// However a guest rings them all, turns stay few: each takes many rings.
TEST_F(KvmCrowdedBus, TurnsAreFew) {
  guest_->vm().LimitIoEventFds(kRoom);
  Connect();
  guest_->Settle();
  const int trapped = static_cast<int>(events_.size()) - 20;
  const int before = guest_->vm().calls(KVM_IOEVENTFD);
  uint32_t rings = 0;
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 20; ++i, rings += 16) Ring(trapped + i, 16);
  }
  guest_->Settle();
  // A turn asks for room, makes some, and uses it.
  EXPECT_LE(guest_->vm().calls(KVM_IOEVENTFD) - before,
            3 * static_cast<int>(rings / TrappedRings::kOften));
  EXPECT_EQ(guest_->vm().io_event_fds(), kRoom);
}

// Room that comes free, with a peer that goes, is used.
TEST_F(KvmCrowdedBus, FreeRoomIsUsed) {
  guest_->vm().LimitIoEventFds(kRoom);
  Connect();
  guest_->Settle();
  guest_->device().device().peers().Disconnect(kFirst);
  guest_->Settle();
  EXPECT_EQ(guest_->vm().io_event_fds(), kRoom);
  const uint64_t exits = guest_->exits();
  for (size_t event = kVectors; event < events_.size(); ++event) {
    Ring(static_cast<int>(event));
    EXPECT_TRUE(events_[event]->Drain()) << event;
  }
  EXPECT_EQ(guest_->exits() - exits, uint64_t{kPairs - kVectors - kRoom});
}

// When the guest is gone from the register's place, nothing is left bound.
TEST_F(KvmCrowdedBus, DecodeOffTakesAllDown) {
  Connect();
  guest_->Settle();
  guest_->SetCommand(0);
  guest_->Settle();
  EXPECT_EQ(guest_->vm().io_event_fds(), 0);
  guest_->SetCommand(KvmPciGuest::kDecodeAndMaster);
  guest_->Settle();
  EXPECT_EQ(guest_->vm().io_event_fds(), kPairs);
}

}  // namespace
}  // namespace ivshmem
