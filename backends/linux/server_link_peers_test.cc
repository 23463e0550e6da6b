// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <vector>

#include "backends/linux/descriptor_limit.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/link_fixture.h"
#include "core/protocol/message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

class ServerLinkPeers : public LinkTest {
 protected:
  using Events = std::vector<std::shared_ptr<EventFd>>;
};

// "A peer's id with a descriptor is for interrupting that peer, vector 0, 1 and
// so on in order": the guest's doorbell rings exactly that one.
// Clause: ring-write, greeting-peers
TEST_F(ServerLinkPeers, TheDoorbellRingsThePeersVector) {
  JoinAs(1);
  AttachDevice(1);
  const Events two = server_.Connect(2, 3);
  const Events three = server_.Connect(3, 1);
  ASSERT_TRUE(Until([&] { return Vectors(3).size() == 1; }));
  Ring(2, 1);
  EXPECT_FALSE(two[0]->Drain());
  EXPECT_TRUE(two[1]->Drain());
  EXPECT_FALSE(two[2]->Drain());
  EXPECT_FALSE(three[0]->Drain());
  Ring(3, 0);
  EXPECT_TRUE(three[0]->Drain());
  EXPECT_EQ(events_.Count(Kind::kPeerJoined), 2);
}

// "The own id with a descriptor is for receiving interrupts": a peer that
// signals it interrupts the guest. Signals that come together are one.
// Clause: ring-read, greeting-own
TEST_F(ServerLinkPeers, APeersRingInterruptsTheGuest) {
  JoinAs(1);
  AttachDevice(2);
  const Events own = server_.Connect(1, 2);
  ASSERT_TRUE(Until([&] { return Vectors(1).size() == 2; }));
  own[1]->Signal();
  own[1]->Signal();
  ASSERT_TRUE(Until([&] { return !sink_.delivered.empty(); }));
  own[0]->Signal();
  ASSERT_TRUE(Until([&] { return sink_.delivered.size() == 2; }));
  Settle();
  EXPECT_THAT(sink_.delivered, ElementsAre(Pair(0, 1), Pair(1, 1)));
}

// A guest can ring itself, as with QEMU.
TEST_F(ServerLinkPeers, AGuestCanRingItself) {
  JoinAs(4);
  AttachDevice(1);
  server_.Connect(4, 1);
  ASSERT_TRUE(Until([&] { return Vectors(4).size() == 1; }));
  Ring(4, 0);
  ASSERT_TRUE(Until([&] { return !sink_.delivered.empty(); }));
}

// "If the client is configured for fewer vectors, it closes the extra
// descriptors. If for more, the extra ones remain unconnected."
// Clause: vectors-fewer, vectors-more
// Differs: peer-more-vectors
TEST_F(ServerLinkPeers, FewerAndMoreVectorsThanTheDeviceHas) {
  JoinAs(1);
  AttachDevice(2);
  server_.Connect(1, 5);
  server_.Connect(2, 5);
  ASSERT_TRUE(Until([&] { return Vectors(2).size() == 5; }));
  EXPECT_THAT(Vectors(1), ElementsAre(0, 1));

  attachment_.reset();
  AttachDevice(64);
  EXPECT_THAT(Vectors(1), ElementsAre(0, 1, 2, 3, 4));
}

// `vectors` closes what the device will never have.
TEST_F(ServerLinkPeers, OwnVectorsPastTheOptionAreClosed) {
  options_.vectors = 1;
  JoinAs(1);
  AttachDevice(8);
  server_.Connect(1, 4);
  server_.Connect(2, 1);
  ASSERT_TRUE(Until([&] { return Vectors(2).size() == 1; }));
  EXPECT_THAT(Vectors(1), ElementsAre(0));
}

// "A peer's id without a descriptor: that peer has gone." A second time, or of
// a peer nobody knows, does nothing (QEMU aborts).
TEST_F(ServerLinkPeers, APeerThatLeftCannotBeRung) {
  JoinAs(1);
  AttachDevice(1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  server_.Send(2);
  server_.Send(2);
  server_.Send(77);
  ASSERT_TRUE(UntilEvent(Kind::kPeerLeft));
  Settle();
  EXPECT_EQ(events_.Count(Kind::kPeerLeft), 1);
  EXPECT_EQ(events_.Last(Kind::kPeerLeft).peer, 2);
  EXPECT_THAT(Vectors(2), IsEmpty());
  Ring(2, 0);
  EXPECT_FALSE(two[0]->Drain());
  EXPECT_EQ(device_->count(RingResult::kNoSuchPeer), 1);
}

// Ids may come back.
// Fault: qemu-disconnect-twice
TEST_F(ServerLinkPeers, AnIdThatComesBackIsTheNewPeer) {
  JoinAs(1);
  AttachDevice(1);
  const Events old = server_.Connect(2, 2);
  server_.Send(2);
  const Events now = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined, 2));
  EXPECT_THAT(Vectors(2), ElementsAre(0));
  Ring(2, 0);
  EXPECT_TRUE(now[0]->Drain());
  EXPECT_FALSE(old[0]->Drain());
}

// A device that is attached late has everybody, and no ring is lost that came
// before.
TEST_F(ServerLinkPeers, ALateDeviceHasAllAndLosesNothing) {
  JoinAs(1);
  const Events own = server_.Connect(1, 1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  own[0]->Signal();
  Settle();
  AttachDevice(1);
  EXPECT_EQ(device_->id(), 1);
  Ring(2, 0);
  EXPECT_TRUE(two[0]->Drain());
  EXPECT_TRUE(Until([&] { return sink_.delivered[0] == 1; }));
}

// One device at a time; the next can come when it has gone, and what the first
// had from elsewhere stays with it.
TEST_F(ServerLinkPeers, OneDeviceAtATime) {
  JoinAs(1);
  const Events own = server_.Connect(1, 1);
  server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  AttachDevice(1);
  const std::unique_ptr<Device> second = *Device::Create({}, {});
  EXPECT_EQ(link_->Attach(*second).status().code(),
            absl::StatusCode::kFailedPrecondition);

  ASSERT_TRUE(device_->peers().Connect(9, 0, *EventFd::Create()).ok());
  attachment_.reset();
  EXPECT_THAT(Vectors(2), IsEmpty());
  EXPECT_THAT(Vectors(9), ElementsAre(0));
  own[0]->Signal();
  Settle();
  EXPECT_THAT(sink_.delivered, IsEmpty());
  EXPECT_TRUE(link_->Attach(*second).ok());
}

// What pretends to be an event and is not would block a guest or write into
// something else: the server is left.
// Clause: error-close
TEST_F(ServerLinkPeers, ADescriptorThatIsNoEventEndsTheConnection) {
  JoinAs(1);
  int pipe_fds[2];
  ASSERT_EQ(pipe2(pipe_fds, O_CLOEXEC), 0);
  server_.Send(2, pipe_fds[1]);
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  EXPECT_THAT(events_.Last(Kind::kLost).text, HasSubstr("eventfd"));
  close(pipe_fds[0]);
  close(pipe_fds[1]);
}

// A server cannot make a VMM run out of descriptors.
TEST_F(ServerLinkPeers, TooManyDescriptorsEndTheConnection) {
  options_.max_descriptors = 3;
  JoinAs(1);
  server_.Connect(2, 3);
  Settle();
  EXPECT_EQ(events_.Count(Kind::kLost), 0);
  server_.Connect(3, 1);
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  EXPECT_THAT(events_.Last(Kind::kLost).text, HasSubstr("max_descriptors"));
}

// ... nor before the memory has come.
TEST_F(ServerLinkPeers, TooManyDescriptorsBeforeTheMemory) {
  options_.max_descriptors = 3;
  Start();
  Accept();
  server_.Send(protocol::kVersion);
  server_.Send(1);
  server_.Connect(2, 4);
  ASSERT_TRUE(UntilEvent(Kind::kFailed));
  EXPECT_THAT(events_.Last(Kind::kFailed).text, HasSubstr("max_descriptors"));
}

// More descriptors than one beside a message are the server's fault.
TEST_F(ServerLinkPeers, TwoDescriptorsBesideOneMessageEndTheConnection) {
  JoinAs(1);
  const std::shared_ptr<EventFd> event = *EventFd::Create();
  server_.SendAll(2, {event->fd(), event->fd()});
  ASSERT_TRUE(UntilEvent(Kind::kLost));
}

// A peer's vector whose descriptor this process has no room for is not taken
// for a peer that left: the link ends, says why, and comes back.
TEST_F(ServerLinkPeers, NoRoomForADescriptorEndsTheConnection) {
  JoinAs(1);
  AttachDevice(1);
  server_.Connect(2, 1);
  ASSERT_TRUE(Until([&] { return Vectors(2).size() == 1; }));
  const Events more = {*EventFd::Create()};
  server_.Send(2, more[0]->fd());
  {
    const DescriptorLimit none(0);
    ASSERT_TRUE(UntilEvent(Kind::kLost));
  }
  EXPECT_THAT(events_.Last(Kind::kLost).text,
              testing::HasSubstr("this process has as many open as it may"));
  EXPECT_EQ(Vectors(2).size(), 1) << "the peer has not left";
}

// The guest rings from inside the event that tells of the peer; the embedder
// lets go of the device from inside an interrupt.
TEST_F(ServerLinkPeers, EventsAndInterruptsMayCallBack) {
  JoinAs(1);
  AttachDevice(1);
  events_.then = [&](const RecordedEvents::Event& event) {
    if (event.kind == Kind::kPeerJoined) Ring(event.peer, 0);
    if (event.kind == Kind::kPeerLeft) attachment_.reset();
  };
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  EXPECT_TRUE(two[0]->Drain());
  server_.Connect(3, 1);
  server_.Send(2);
  ASSERT_TRUE(UntilEvent(Kind::kPeerLeft));
  EXPECT_THAT(Vectors(3), IsEmpty());
}

}  // namespace
}  // namespace ivshmem
