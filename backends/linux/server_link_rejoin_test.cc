// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "backends/linux/identity.h"
#include "backends/linux/link_fixture.h"
#include "backends/linux/unix_socket.h"
#include "core/protocol/message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

class ServerLinkRejoin : public LinkTest {
 protected:
  using Events = std::vector<std::shared_ptr<EventFd>>;

  ServerLinkRejoin() { options_.absent_peers = absl::Milliseconds(20); }

  // The server is gone, and the link knows.
  void LoseServer() {
    const int losses = events_.Count(Kind::kLost);
    server_.StopListening();
    ASSERT_TRUE(UntilEvent(Kind::kLost, losses + 1));
  }

  void RejoinAs(PeerId id, int memory) {
    server_.Listen();
    Accept();
    server_.Greet(id, memory);
  }
};

// While the server is away, peers can be rung and can ring: their events do not
// need it.
// Clause: server-gone
TEST_F(ServerLinkRejoin, PeersGoOnWithoutTheServer) {
  JoinAs(1);
  AttachDevice(1);
  const Events own = server_.Connect(1, 1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  LoseServer();
  EXPECT_EQ(count(ServerLink::Count::kLosses), 1);
  Ring(2, 0);
  EXPECT_TRUE(two[0]->Drain());
  own[0]->Signal();
  EXPECT_TRUE(Until([&] { return sink_.delivered[0] == 1; }));
  EXPECT_EQ(link_->id(), 1);
}

// A restarted server is joined again, and its peers are the device's.
// Differs: rejoin
// Fault: qemu-server-restart
TEST_F(ServerLinkRejoin, ARestartedServersPeersAreTheDevices) {
  JoinAs(1);
  AttachDevice(1);
  const Events old = server_.Connect(2, 2);
  ASSERT_TRUE(Until([&] { return Vectors(2).size() == 2; }));
  LoseServer();
  RejoinAs(1, memory_.fd());
  const Events now = server_.Connect(2, 1);
  const Events new_peer = server_.Connect(3, 1);
  const Events own = server_.Connect(1, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown, 1));
  EXPECT_EQ(events_.Count(Kind::kRejoined), 1);
  EXPECT_EQ(events_.Count(Kind::kIdChanged), 0);
  Ring(2, 0);
  EXPECT_TRUE(now[0]->Drain());
  EXPECT_FALSE(old[0]->Drain());
  Ring(3, 0);
  EXPECT_TRUE(new_peer[0]->Drain());
  own[0]->Signal();
  EXPECT_TRUE(Until([&] { return sink_.delivered[0] == 1; }));
  // The vector that the peer no longer has goes when the others are sure.
  EXPECT_TRUE(Until([&] { return Vectors(2) == std::vector<Vector>{0}; }));
  Ring(2, 0);
  EXPECT_TRUE(now[0]->Drain());
  // To the guest, and so to events, peer 2 was there all along.
  EXPECT_EQ(events_.Count(Kind::kPeerLeft), 0);
  EXPECT_EQ(events_.Count(Kind::kPeerJoined), 2);
}

// Peers that the new server has not named yet may be on their way: for a while
// they can still be rung, then they are gone.
TEST_F(ServerLinkRejoin, AbsentPeersAreKeptForAWhile) {
  options_.absent_peers = absl::Milliseconds(500);
  JoinAs(1);
  AttachDevice(1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  LoseServer();
  RejoinAs(1, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kRejoined));
  if (events_.Count(Kind::kPeerLeft) == 0) {
    Ring(2, 0);
    EXPECT_TRUE(two[0]->Drain());
  }
  ASSERT_TRUE(UntilEvent(Kind::kPeerLeft));
  EXPECT_THAT(Vectors(2), IsEmpty());
}

// An absent peer that the server says has gone is gone at once.
TEST_F(ServerLinkRejoin, AnAbsentPeerMayBeSaidToHaveLeft) {
  options_.absent_peers = absl::Hours(1);
  JoinAs(1);
  AttachDevice(1);
  server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  LoseServer();
  RejoinAs(1, memory_.fd());
  // It came and left again: to the link's server it was there.
  server_.Connect(2, 1);
  server_.Send(2);
  ASSERT_TRUE(UntilEvent(Kind::kPeerLeft));
  EXPECT_THAT(Vectors(2), IsEmpty());
}

// A peer that has not come back yet rings what the last session gave; that
// still arrives.
TEST_F(ServerLinkRejoin, TheLastSessionsOwnVectorsStillInterrupt) {
  JoinAs(1);
  AttachDevice(1);
  const Events before = server_.Connect(1, 1);
  ASSERT_TRUE(Until([&] { return Vectors(1).size() == 1; }));
  LoseServer();
  RejoinAs(1, memory_.fd());
  const Events after = server_.Connect(1, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown, 1));
  before[0]->Signal();
  ASSERT_TRUE(Until([&] { return sink_.delivered[0] == 1; }));
  after[0]->Signal();
  ASSERT_TRUE(Until([&] { return sink_.delivered[0] == 2; }));
}

// Another id is an event and a count, told before the guest has it.
TEST_F(ServerLinkRejoin, AnotherIdIsSurfaced) {
  JoinAs(1);
  AttachDevice(1);
  server_.Connect(1, 1);
  ASSERT_TRUE(Until([&] { return Vectors(1).size() == 1; }));
  std::optional<PeerId> during;
  events_.then = [&](const RecordedEvents::Event& event) {
    if (event.kind == Kind::kIdChanged) during = device_->id();
  };
  LoseServer();
  RejoinAs(6, memory_.fd());
  server_.Connect(6, 1);
  ASSERT_TRUE(Until([&] { return Vectors(6).size() == 1; }));
  EXPECT_EQ(during, 1);
  EXPECT_EQ(events_.Last(Kind::kIdChanged).old_peer, 1);
  EXPECT_EQ(events_.Last(Kind::kIdChanged).peer, 6);
  EXPECT_EQ(count(ServerLink::Count::kIdChanges), 1);
  EXPECT_EQ(device_->id(), 6);
  EXPECT_EQ(link_->id(), 6);
  EXPECT_THAT(Vectors(1), IsEmpty());
  // The old id may be another's now.
  const Events one = server_.Connect(1, 1);
  ASSERT_TRUE(Until([&] { return Vectors(1).size() == 1; }));
  Ring(1, 0);
  EXPECT_TRUE(one[0]->Drain());
}

// The id that the device gets may have been a peer's, who is gone then.
TEST_F(ServerLinkRejoin, APeersIdMayBecomeTheDevices) {
  JoinAs(1);
  AttachDevice(1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  LoseServer();
  RejoinAs(2, memory_.fd());
  ASSERT_TRUE(Until([&] { return device_->id() == 2; }));
  Ring(2, 0);
  EXPECT_FALSE(two[0]->Drain());
}

// Another memory is never put under a guest: the link is over.
TEST_F(ServerLinkRejoin, AnotherMemoryEndsTheLink) {
  JoinAs(1);
  AttachDevice(1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  const uint8_t* data = link_->memory().data;
  LoseServer();
  const MemoryObject other = *MemoryObject::Memfd(4096);
  RejoinAs(1, other.fd());
  ASSERT_TRUE(UntilEvent(Kind::kMemoryChanged));
  EXPECT_EQ(count(ServerLink::Count::kMemoryChanges), 1);
  EXPECT_EQ(count(ServerLink::Count::kJoins), 1);
  EXPECT_EQ(link_->memory().data, data);
  EXPECT_TRUE(server_.ClosedWithin(kPatience));
  Settle();
  EXPECT_FALSE(server_.AcceptWithin(4 * options_.retry_most));
  // Whoever shares the old memory can still be rung.
  Ring(2, 0);
  EXPECT_TRUE(two[0]->Drain());
}

// The same object by another descriptor is the same memory.
TEST_F(ServerLinkRejoin, TheSameMemoryByAnotherDescriptor) {
  JoinAs(1);
  LoseServer();
  const UniqueFd other(dup(memory_.fd()));
  RejoinAs(1, other.get());
  EXPECT_TRUE(UntilEvent(Kind::kRejoined));
}

// A server that breaks the protocol at run time is left and joined again.
TEST_F(ServerLinkRejoin, AFaultyServerIsLeftAndJoinedAgain) {
  JoinAs(1);
  server_.Send(65536);
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  EXPECT_THAT(events_.Last(Kind::kLost).text, HasSubstr("65536"));
  Accept();
  server_.Greet(1, memory_.fd());
  EXPECT_TRUE(UntilEvent(Kind::kRejoined));
}

// `retry` = false: one connection and no more.
TEST_F(ServerLinkRejoin, WithoutRetryALossIsFinal) {
  options_.retry = false;
  JoinAs(1);
  server_.Hangup();
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  Settle();
  EXPECT_FALSE(server_.AcceptWithin(4 * options_.retry_most));
}

// The link's socket has the same abstract name each time, by which a server
// knows it again; another link has another.
TEST_F(ServerLinkRejoin, TheIdentityIsKept) {
  JoinAs(1);
  const std::string identity = link_->identity();
  EXPECT_TRUE(IsIdentity(identity));
  EXPECT_EQ(server_.client_name(), IdentityName(identity));
  LoseServer();
  RejoinAs(1, memory_.fd());
  EXPECT_EQ(server_.client_name(), IdentityName(identity));
  EXPECT_EQ(link_->identity(), identity);
  link_.reset();
  Start();
  EXPECT_NE(link_->identity(), identity);
}

// The embedder may give it, to be known again in another process.
TEST_F(ServerLinkRejoin, TheIdentityMayBeGiven) {
  options_.identity = RandomIdentity();
  JoinAs(1);
  EXPECT_EQ(server_.client_name(), IdentityName(options_.identity));
}

// Who does not want to be known again has no name.
TEST_F(ServerLinkRejoin, NoNameForWhoComesOnce) {
  options_.keep_id = false;
  JoinAs(1);
  EXPECT_EQ(server_.client_name(), "");
}

// Somebody else may have taken the name: then the device is a new one to the
// server, rather than none.
TEST_F(ServerLinkRejoin, ATakenNameIsReplaced) {
  options_.identity = RandomIdentity();
  const absl::StatusOr<UniqueFd> thief =
      unix_socket::Connect(server_.path(), IdentityName(options_.identity));
  ASSERT_TRUE(thief.ok()) << thief.status();
  ASSERT_TRUE(server_.AcceptWithin(kPatience));
  JoinAs(1);
  EXPECT_NE(link_->identity(), options_.identity);
  EXPECT_EQ(server_.client_name(), IdentityName(link_->identity()));
}

// 128 random bits each.
TEST(Identity, AreRandom) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(RandomIdentity());
  EXPECT_THAT(seen, SizeIs(1000));
}

// Only a name of exactly that form says an identity.
TEST(Identity, NamesOfAnotherFormSayNone) {
  const std::string identity = "0123456789abcdef0123456789abcdef";
  EXPECT_EQ(IdentityOf("ivshmem-" + identity), identity);
  EXPECT_EQ(IdentityOf(identity), std::nullopt);
  EXPECT_EQ(IdentityOf(""), std::nullopt);
  EXPECT_EQ(IdentityOf("ivshmem-"), std::nullopt);
  EXPECT_EQ(IdentityOf("ivshmem-" + identity + "0"), std::nullopt);
  EXPECT_EQ(IdentityOf("ivshmem-" + identity.substr(1)), std::nullopt);
  EXPECT_EQ(IdentityOf("ivshmem-" + identity.substr(1) + "A"), std::nullopt);
  EXPECT_EQ(IdentityOf("ivshmem-" + identity.substr(1) + "g"), std::nullopt);
  EXPECT_EQ(IdentityOf("Ivshmem-" + identity), std::nullopt);
}

}  // namespace
}  // namespace ivshmem
