// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The faults of QEMU's PCI device, each shown absent: what led to it is done to
// this project's device, through its link to a server.

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/linux/open_fds.h"
#include "backends/mock/log.h"
#include "core/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/faults/joined_pci_guest.h"

namespace ivshmem {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

class QemuPciFaults : public JoinedPciGuestTest {
 protected:
  // How often the guest got vector `vector`'s message since the last question.
  int Messages(int vector) {
    int messages = 0;
    for (const mock::Entry& entry : host_.log().Take()) {
      if (entry == mock::Entry::Message(PciGuest::Message(vector))) ++messages;
    }
    return messages;
  }
};

// A peer that is said to have left twice, and its id given again.
// Fault: qemu-disconnect-twice
TEST_F(QemuPciFaults, DisconnectTwiceAndComeBack) {
  JoinAs(0);
  Plug(2);
  guest_->Enumerate();
  for (int round = 0; round < 3; ++round) {
    const auto peer = server_.Connect(5, 2);
    ASSERT_TRUE(Until([&] { return Knows(5, 1); }));
    guest_->Ring(5, 1);
    EXPECT_TRUE(peer[1]->Drain());
    server_.Send(5);
    server_.Send(5);
    ASSERT_TRUE(Until([&] { return !Knows(5, 0); }));
    Settle();
    guest_->Ring(5, 1);
    EXPECT_FALSE(peer[1]->Drain());
  }
}

// Unplugged after a peer left.
// Fault: qemu-disconnect-twice
TEST_F(QemuPciFaults, UnplugAfterAPeerLeft) {
  JoinAs(0);
  Plug(2);
  guest_->Enumerate();
  server_.Connect(5, 2);
  ASSERT_TRUE(Until([&] { return Knows(5, 1); }));
  server_.Send(5);
  ASSERT_TRUE(Until([&] { return !Knows(5, 0); }));
  Unplug();
  server_.Send(5);
  Settle();
  Plug(2);
  guest_->Enumerate();
  const auto peer = server_.Connect(5, 1);
  ASSERT_TRUE(Until([&] { return Knows(5, 0); }));
  guest_->Ring(5, 0);
  EXPECT_TRUE(peer[0]->Drain());
}

// The device has four vectors, the server gave it two. The guest enables all
// and masks and unmasks those that are missing.
// Fault: qemu-vector-missing
TEST_F(QemuPciFaults, AGuestUnmasksAMissingVector) {
  JoinAs(0);
  Plug(4);
  const auto own = server_.Connect(0, 2);
  ASSERT_TRUE(Until([&] { return Knows(0, 1); }));
  guest_->Enumerate();
  guest_->EnableMsix();
  for (const int vector : {2, 3}) {
    guest_->MaskVector(vector, true);
    guest_->MaskVector(vector, false);
  }
  host_.executor().RunAll();
  own[1]->Signal();
  ASSERT_TRUE(Until([&] { return Messages(1) == 1; }));
  guest_->Ring(0, 3);
  Settle();
  EXPECT_THAT(host_.log().Take(),
              Not(Contains(mock::Entry::Message(PciGuest::Message(3)))));
}

// The own vectors, and another's, before the memory.
// Fault: qemu-own-vector-first
TEST_F(QemuPciFaults, OwnVectorsBeforeTheMemory) {
  Start();
  Accept();
  server_.Send(0);
  server_.Send(3);
  const auto own = server_.Connect(3, 2);
  const auto other = server_.Connect(1, 1);
  Settle();
  EXPECT_EQ(events_.Count(Kind::kJoined), 0);
  server_.Send(-1, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kJoined));
  Plug(2);
  guest_->Enumerate();
  guest_->EnableMsix();
  EXPECT_EQ(guest_->Read(kPositionOffset), 3u);
  own[1]->Signal();
  ASSERT_TRUE(Until([&] { return Messages(1) == 1; }));
  guest_->Ring(1, 0);
  EXPECT_TRUE(other[0]->Drain());
}

// The server ends the connection in the middle of the greeting: an error that
// says what was awaited, and nothing that goes round without end.
// Fault: qemu-greeting-ends
TEST_F(QemuPciFaults, TheGreetingEnds) {
  options_.retry = false;
  Start();
  Accept();
  server_.Send(0);
  server_.Hangup();
  ASSERT_TRUE(UntilEvent(Kind::kFailed));
  EXPECT_THAT(events_.Last(Kind::kFailed).text, HasSubstr("id"));
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(1)), 0) << "nothing is ready";
}

// The server says nothing: the same, by a deadline.
// Fault: qemu-greeting-ends
TEST_F(QemuPciFaults, TheServerIsSilent) {
  options_.retry = false;
  options_.greeting_deadline = absl::Milliseconds(20);
  Start();
  Accept();
  ASSERT_TRUE(UntilEvent(Kind::kFailed));
  EXPECT_THAT(events_.Last(Kind::kFailed).text, HasSubstr("version"));
}

// Memory of 3 pages: the device says what it wants.
// Fault: qemu-odd-memory
TEST_F(QemuPciFaults, MemoryIsNoPowerOfTwo) {
  memory_ = *MemoryObject::Memfd(3 * 4096);
  JoinAs(0);
  const auto device = PciDevice::Create({}, link_->memory(), {});
  EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(device.status().message()),
              testing::AllOf(HasSubstr("power of two"), HasSubstr("12288")));
}

// Unplugged with peers and routes, and plugged in again: descriptors and
// handlers are those of before, nothing is left that is ready.
// Fault: qemu-unplug-leaves
TEST_F(QemuPciFaults, UnplugLeavesNothing) {
  JoinAs(0);
  const auto own = server_.Connect(0, 2);
  server_.Connect(5, 2);
  Plug(2);
  ASSERT_TRUE(Until([&] { return Knows(5, 1) && Knows(0, 1); }));
  Unplug();
  Settle();
  const auto before = OpenFds();
  for (int round = 0; round < 3; ++round) {
    Plug(2);
    guest_->Enumerate();
    guest_->EnableMsix();
    host_.executor().RunAll();
    own[0]->Signal();
    ASSERT_TRUE(Until([&] { return Messages(0) == 1; }));
    Unplug();
    host_.executor().RunAll();
    Settle();
    EXPECT_EQ(OpenFds(), before);
    EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(1)), 0);
    EXPECT_EQ(host_.accelerator().size(), 0u);
  }
}

// The server is restarted: its greeting is a greeting, not "peer 0 has left".
// Fault: qemu-server-restart
TEST_F(QemuPciFaults, TheServerIsRestarted) {
  JoinAs(1);
  Plug(1);
  guest_->Enumerate();
  server_.Connect(0, 1);
  ASSERT_TRUE(Until([&] { return Knows(0, 0); }));
  server_.Hangup();
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  Accept();
  server_.Greet(1, memory_.fd());
  const auto peer = server_.Connect(0, 1);
  server_.Connect(1, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown));
  EXPECT_EQ(events_.Count(Kind::kPeerLeft), 0);
  guest_->Ring(0, 0);
  EXPECT_TRUE(peer[0]->Drain());
  EXPECT_EQ(guest_->Read(kPositionOffset), 1u);
}

// The vectors arrive when the guest has long enabled MSI-X.
// Fault: qemu-late-vectors
TEST_F(QemuPciFaults, VectorsArriveAfterMsixWasEnabled) {
  JoinAs(0);
  Plug(2);
  guest_->Enumerate();
  guest_->EnableMsix();
  host_.executor().RunAll();
  const auto own = server_.Connect(0, 2);
  ASSERT_TRUE(Until([&] { return Knows(0, 1); }));
  host_.executor().RunAll();
  for (const int vector : {1, 0}) {
    own[vector]->Signal();
    ASSERT_TRUE(Until([&] { return Messages(vector) == 1; })) << vector;
  }
}

}  // namespace
}  // namespace ivshmem
