// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A device is migrated with its peers: saved by one process and restored by
// another, which joins the server again, while others ring.

#include <memory>
#include <string>
#include <vector>

#include "backends/linux/link_events.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "gmock/gmock.h"
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

using ::testing::HasSubstr;
using ::testing::Not;
using Kind = LinkEvent::Kind;

constexpr int kRounds = 5;
constexpr PeerId kMoving = 0;

// Bypasses the mock host, which keeps a log.
void RingFrom(OurGuest& guest, Vector vector) {
  guest.guest().device().Write(kDoorbellOffset, 4,
                               Doorbell{kMoving, vector}.Encode());
}

class Migration : public ::testing::Test {
 protected:
  void Start(ServerProcess& server) {
    ASSERT_NO_FATAL_FAILURE(server.Start());
    moving_ = std::make_unique<MovingProcess>(server, mask_);
    other_ = OurGuest::Join({.socket_path = server.socket_path()}, kVectors);
    ASSERT_NE(other_, nullptr);
    ASSERT_TRUE(other_->Knows(kMoving, kVectors - 1));
  }

  GuestMemory& memory() { return GuestMemoryIn(other_->guest().shared()); }

  // Vector 7 is masked by the first process's guest.
  const std::vector<std::string> mask_ = {"--mask", "7"};
  std::unique_ptr<MovingProcess> moving_;
  std::unique_ptr<OurGuest> other_;
};

// Where the server waits for it: whatever is rung at any moment arrives, once,
// and nobody is told that it was away. It keeps its id.
TEST_F(Migration, NoRingIsLost) {
  ServerProcess server(
      {"--vectors", "8", "--size", "1M", "--absent-peers", "600"});
  ASSERT_NO_FATAL_FAILURE(Start(server));
  {
    PacedRinger paced(memory(), [&](Vector v) { RingFrom(*other_, v); });
    FastRinger fast(memory(), [&](Vector v) { RingFrom(*other_, v); });
    for (int round = 0; round < kRounds; ++round) {
      ASSERT_TRUE(paced.Goes(100));
      moving_->Migrate();
      EXPECT_THAT(moving_->process().Output(), Not(HasSubstr("another id")));
    }
    ASSERT_TRUE(paced.Goes(100));
    paced.Finish();
    fast.Finish();
    RecordProperty("rung", static_cast<int>(paced.rung()));
  }
  EXPECT_EQ(other_->guest().device().count(RingResult::kNoSuchPeer), 0u);
  EXPECT_EQ(other_->link().Count(Kind::kPeerLeft), 0);
  EXPECT_EQ(other_->link().Count(Kind::kPeerJoined), 1);
}

// The same with QEMU's device as the one that rings. It is never told that the
// id has gone, so the id need not rest for its sake.
TEST_F(Migration, NoRingOfQemusIsLost) {
  ServerProcess server(
      {"--vectors", "8", "--size", "1M", "--absent-peers", "600"});
  ASSERT_NO_FATAL_FAILURE(Start(server));
  const auto qemu = QemuGuest::Join(server.socket_path(), kVectors);
  ASSERT_NE(qemu, nullptr);
  // Told of the one that came after the moving one, it knows that one, too.
  ASSERT_TRUE(qemu->RingUntil(other_->id(), kVectors - 1,
                              [&] { return !other_->HearsNothing(); }));
  PacedRinger paced(memory(), [&](Vector v) { qemu->Ring(kMoving, v); });
  for (int round = 0; round < kRounds; ++round) {
    ASSERT_TRUE(paced.Goes(20));
    moving_->Migrate();
    EXPECT_THAT(moving_->process().Output(), Not(HasSubstr("another id")));
  }
  ASSERT_TRUE(paced.Goes(20));
  paced.Finish();
}

// An interrupt that is pending, its vector masked, is so on the other side, and
// comes there when the guest unmasks it.
TEST_F(Migration, WhatIsPendingComes) {
  ServerProcess server(
      {"--vectors", "8", "--size", "1M", "--absent-peers", "600"});
  ASSERT_NO_FATAL_FAILURE(Start(server));
  RingFrom(*other_, 7);
  RingFrom(*other_, 1);
  ASSERT_TRUE(Becomes([&] { return memory().interrupts[1] == 1; }));
  moving_->Migrate();
  RingFrom(*other_, 2);
  ASSERT_TRUE(Becomes([&] { return memory().interrupts[2] == 1; }));
  EXPECT_EQ(memory().interrupts[7], 0u);
  moving_->Migrate({"--unmask", "7"});
  EXPECT_TRUE(Becomes([&] { return memory().interrupts[7] == 1; }));
  EXPECT_EQ(memory().interrupts[1], 1u);
}

// Where the server does not wait: the device comes back with its id, and what
// was rung before it went has arrived or is pending. Meanwhile it is not there,
// and a ring is nobody's; as with any server.
TEST_F(Migration, WhereTheServerDoesNotWait) {
  ServerProcess server({"--vectors", "8", "--size", "1M"});
  ASSERT_NO_FATAL_FAILURE(Start(server));
  RingFrom(*other_, 7);
  for (Vector v = 0; v < 7; ++v) RingFrom(*other_, v);
  moving_->Migrate({"--unmask", "7"});
  EXPECT_THAT(moving_->process().Output(), Not(HasSubstr("another id")));
  for (Vector v = 0; v < kVectors; ++v) {
    EXPECT_TRUE(Becomes([&] { return memory().interrupts[v] == 1; })) << v;
  }
  ASSERT_TRUE(other_->link().Happens(Kind::kPeerLeft));
  ASSERT_TRUE(other_->link().Happens(Kind::kPeerJoined, 2));
  ASSERT_TRUE(other_->Knows(kMoving, kVectors - 1));
  for (Vector v = 0; v < kVectors; ++v) {
    RingFrom(*other_, v);
    EXPECT_TRUE(Becomes([&] { return memory().interrupts[v] == 2; })) << v;
  }
}

}  // namespace
}  // namespace ivshmem::moving
