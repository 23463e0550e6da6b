// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device goes from an old process to a new one over a socket, while others
// ring at full rate. The server notices nothing.

#include <memory>
#include <string>
#include <vector>

#include "backends/linux/link_events.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/our_guest.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"
#include "testing/moving/guest_memory.h"
#include "testing/moving/moving_process.h"
#include "testing/moving/ringers.h"

namespace ivshmem::moving {
namespace {

using Kind = LinkEvent::Kind;

constexpr int kRounds = 10;
constexpr PeerId kMoving = 0;

class LiveUpdate : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    moving_ = std::make_unique<MovingProcess>(
        server_, std::vector<std::string>{"--out", "OUT", "--mask", "7"});
    other_ = OurGuest::Join({.socket_path = server_.socket_path()}, kVectors);
    ASSERT_NE(other_, nullptr);
    ASSERT_TRUE(other_->Knows(kMoving, kVectors - 1));
  }

  // Bypasses the mock host, which keeps a log.
  void Ring(Vector vector) {
    other_->guest().device().Write(kDoorbellOffset, 4,
                                   Doorbell{kMoving, vector}.Encode());
  }

  GuestMemory& memory() { return GuestMemoryIn(other_->guest().shared()); }

  ServerProcess server_{{"--vectors", "8", "--size", "1M"}};
  std::unique_ptr<MovingProcess> moving_;
  std::unique_ptr<OurGuest> other_;
};

// Whatever is rung at any moment arrives, once; nobody notices.
TEST_F(LiveUpdate, NoRingIsLost) {
  {
    PacedRinger paced(memory(), [&](Vector v) { Ring(v); });
    FastRinger fast(memory(), [&](Vector v) { Ring(v); });
    for (int round = 0; round < kRounds; ++round) {
      ASSERT_TRUE(paced.Goes(100));
      ASSERT_NO_FATAL_FAILURE(moving_->Update());
    }
    ASSERT_TRUE(paced.Goes(100));
    paced.Finish();
    fast.Finish();
    RecordProperty("rung", static_cast<int>(paced.rung()));
    RecordProperty("rung_unpaced", static_cast<int>(fast.rung()));
  }
  EXPECT_EQ(other_->guest().device().count(RingResult::kNoSuchPeer), 0u);
  EXPECT_EQ(other_->link().Count(Kind::kPeerLeft), 0);
  EXPECT_EQ(other_->link().Count(Kind::kPeerJoined), 1);
}

// What is pending stays pending; peers that come and go later are heard of by
// the process that has the connection then.
TEST_F(LiveUpdate, GoesOn) {
  Ring(7);
  Ring(1);
  ASSERT_TRUE(Becomes([&] { return memory().interrupts[1] == 1; }));
  ASSERT_NO_FATAL_FAILURE(moving_->Update());
  const auto third =
      OurGuest::Join({.socket_path = server_.socket_path()}, kVectors);
  ASSERT_NE(third, nullptr);
  ASSERT_TRUE(third->Knows(kMoving, 2));
  third->Ring(kMoving, 2);
  EXPECT_TRUE(Becomes([&] { return memory().interrupts[2] == 1; }));
  ASSERT_NO_FATAL_FAILURE(moving_->Update());
  EXPECT_EQ(memory().interrupts[7], 0u);
  ASSERT_NO_FATAL_FAILURE(moving_->Update({"--unmask", "7"}));
  EXPECT_TRUE(Becomes([&] { return memory().interrupts[7] == 1; }));
}

// The new process ends before it has taken over: the old one goes on, and no
// ring is lost either.
TEST_F(LiveUpdate, InVain) {
  PacedRinger paced(memory(), [&](Vector v) { Ring(v); });
  ASSERT_TRUE(paced.Goes(100));
  moving_->UpdateInVain();
  ASSERT_TRUE(paced.Goes(100));
  paced.Finish();
  EXPECT_EQ(other_->link().Count(Kind::kPeerLeft), 0);
}

// QEMU's device is the one that rings.
TEST_F(LiveUpdate, NoRingOfQemusIsLost) {
  const auto qemu = QemuGuest::Join(server_.socket_path(), kVectors);
  ASSERT_NE(qemu, nullptr);
  // Told of the one that came after the moving one, it knows that one, too.
  ASSERT_TRUE(qemu->RingUntil(other_->id(), kVectors - 1,
                              [&] { return !other_->HearsNothing(); }));
  PacedRinger paced(memory(), [&](Vector v) { qemu->Ring(kMoving, v); });
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(paced.Goes(20));
    ASSERT_NO_FATAL_FAILURE(moving_->Update());
  }
  ASSERT_TRUE(paced.Goes(20));
  paced.Finish();
}

}  // namespace
}  // namespace ivshmem::moving
