// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A link that ends in one process and goes on in another: here in the same.

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/link_fixture.h"
#include "backends/linux/link_hand_over.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/open_fds.h"
#include "backends/linux/unique_fd.h"
#include "core/device_state.h"
#include "core/protocol/message.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::NotNull;
using ::testing::SizeIs;

class ServerLinkHandOver : public LinkTest {
 protected:
  using Events = std::vector<std::shared_ptr<EventFd>>;

  // The old process's part. The old device and link are gone afterwards.
  LinkHandOver HandOver() {
    absl::StatusOr<LinkHandOver> hand_over = link_->HandOver();
    EXPECT_TRUE(hand_over.ok()) << hand_over.status();
    if (device_ != nullptr) state_ = device_->Save();
    attachment_.reset();
    device_.reset();
    link_.reset();
    return *std::move(hand_over);
  }

  absl::Status TryToAdopt(LinkHandOver from) {
    absl::StatusOr<std::unique_ptr<ServerLink>> link =
        ServerLink::Adopt(*loop_, options_, &events_, std::move(from));
    if (!link.ok()) return link.status();
    link_ = *std::move(link);
    return absl::OkStatus();
  }

  void Restore() {
    device_ = *Device::Restore(
        {.interrupts = InterruptMode::kMsix, .vectors = state_.vectors},
        {.interrupts = &sink_}, state_);
    absl::StatusOr<RegistrationPtr> attachment = link_->Attach(*device_);
    ASSERT_TRUE(attachment.ok()) << attachment.status();
    attachment_ = *std::move(attachment);
  }

  void GoOn() {
    const absl::Status status = TryToAdopt(HandOver());
    ASSERT_TRUE(status.ok()) << status;
    Restore();
  }

  DeviceState state_;
};

// Server and peers notice nothing: the connection is the same, peers and own
// vectors are as they were, and what is said later is understood.
TEST_F(ServerLinkHandOver, GoesOn) {
  JoinAs(1);
  AttachDevice(2);
  server_.Connect(1, 2);
  Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  Settle();
  const std::string identity = link_->identity();
  ASSERT_NO_FATAL_FAILURE(GoOn());
  EXPECT_EQ(link_->identity(), identity);
  EXPECT_EQ(link_->id(), 1);
  EXPECT_EQ(device_->id(), 1);
  EXPECT_NE(link_->memory().data, nullptr);
  EXPECT_TRUE(link_->WaitJoined(absl::ZeroDuration()).ok());
  Ring(2, 0);
  EXPECT_TRUE(two[0]->Drain());

  // The next vector of 2 is its second one; 3 is new; 2 leaves.
  two = server_.Connect(2, 1);
  server_.Connect(3, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined, 2));
  EXPECT_THAT(Vectors(2), ElementsAre(0, 1));
  Ring(2, 1);
  EXPECT_TRUE(two[0]->Drain());
  server_.Send(2);
  ASSERT_TRUE(UntilEvent(Kind::kPeerLeft));
  EXPECT_THAT(Vectors(2), ElementsAre());
  EXPECT_EQ(events_.Count(Kind::kLost), 0);
  EXPECT_EQ(events_.Count(Kind::kJoined), 1);
  EXPECT_EQ(events_.Count(Kind::kPeersKnown), 1);
}

// That all are known is told once, by the link that hears of it.
TEST_F(ServerLinkHandOver, BeforeAllAreKnown) {
  JoinAs(1);
  AttachDevice(2);
  server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  ASSERT_NO_FATAL_FAILURE(GoOn());
  EXPECT_EQ(events_.Count(Kind::kPeersKnown), 0);
  server_.Connect(1, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown));
  ASSERT_NO_FATAL_FAILURE(GoOn());
  const Events second = server_.Connect(1, 1);
  second[0]->Signal();
  ASSERT_TRUE(Until([&] { return sink_.delivered[1] == 1; }));
  EXPECT_EQ(events_.Count(Kind::kPeersKnown), 1);
}

// The old process had no use for all of the device's own vectors: what comes
// after one that was not kept is not kept either, and every vector that is
// handed over has its event.
TEST_F(ServerLinkHandOver, FewerOwnVectorsWereKept) {
  options_.vectors = 1;
  JoinAs(1);
  server_.Connect(1, 3);
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown));
  Settle();
  LinkHandOver first = HandOver();
  EXPECT_EQ(first.connection->own_vectors, 3);
  options_.vectors = 8;
  const absl::Status adopted = TryToAdopt(std::move(first));
  ASSERT_TRUE(adopted.ok()) << adopted;
  server_.Connect(1, 1);
  server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  const LinkHandOver second = HandOver();
  EXPECT_EQ(second.connection->own_vectors, 4);
  ASSERT_THAT(second.peers, SizeIs(2));
  EXPECT_THAT(second.peers[0].events, ElementsAre(NotNull()));
  EXPECT_THAT(second.peers[1].events, ElementsAre(NotNull()));
}

// What peers signal at any moment is delivered, once.
TEST_F(ServerLinkHandOver, NoSignalIsLost) {
  JoinAs(1);
  AttachDevice(3);
  const Events own = server_.Connect(1, 3);
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown));
  Settle();
  own[0]->Signal();
  absl::StatusOr<LinkHandOver> hand_over = link_->HandOver();
  ASSERT_TRUE(hand_over.ok()) << hand_over.status();
  own[1]->Signal();
  Settle();
  EXPECT_TRUE(sink_.delivered.empty()) << "nobody reads";
  state_ = device_->Save();
  EXPECT_EQ(sink_.delivered[0], 1);
  EXPECT_EQ(sink_.delivered[1], 1);
  own[2]->Signal();
  own[0]->Signal();
  attachment_.reset();
  device_.reset();
  own[0]->Signal();
  ASSERT_TRUE(TryToAdopt(*std::move(hand_over)).ok());
  own[1]->Signal();
  Restore();
  ASSERT_TRUE(Until([&] { return sink_.delivered[2] == 1; }));
  Settle();
  EXPECT_EQ(sink_.delivered[0], 2);
  EXPECT_EQ(sink_.delivered[1], 2);
  EXPECT_EQ(sink_.delivered[2], 1);
}

// A message of which a part had come, with or without its descriptor.
TEST_F(ServerLinkHandOver, InTheMiddleOfAMessage) {
  for (size_t cut = 1; cut < protocol::kMessageBytes; ++cut) {
    SCOPED_TRACE(cut);
    JoinAs(1);
    AttachDevice(1);
    const protocol::MessageBytes message = protocol::Encode(7);
    const auto event = *EventFd::Create();
    server_.SendPart(message, cut, event->fd());
    Settle();
    LinkHandOver hand_over = HandOver();
    ASSERT_TRUE(hand_over.connection.has_value());
    EXPECT_THAT(hand_over.connection->bytes, SizeIs(cut));
    EXPECT_THAT(hand_over.connection->fds, SizeIs(1));
    ASSERT_TRUE(TryToAdopt(std::move(hand_over)).ok());
    Restore();
    server_.SendBytes(message.data() + cut, message.size() - cut);
    ASSERT_TRUE(Until([&] { return !Vectors(7).empty(); }));
    Ring(7, 0);
    EXPECT_TRUE(event->Drain());
    attachment_.reset();
    device_.reset();
    link_.reset();
    events_.events.clear();
  }
}

// Events of before a re-join, which some peer may still ring, go along; so do
// peers that the server has not named again, until their time is over.
TEST_F(ServerLinkHandOver, AfterAReJoin) {
  options_.absent_peers = absl::Milliseconds(1);
  JoinAs(1);
  AttachDevice(1);
  const Events before = server_.Connect(1, 1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  options_.absent_peers = absl::InfiniteDuration();
  ASSERT_NO_FATAL_FAILURE(GoOn());
  server_.Hangup();
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  Accept();
  server_.Greet(1, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kRejoined));
  const Events after = server_.Connect(1, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeersKnown, 2));
  Settle();

  LinkHandOver hand_over = HandOver();
  EXPECT_THAT(hand_over.earlier, SizeIs(1));
  before[0]->Signal();
  after[0]->Signal();
  ASSERT_TRUE(TryToAdopt(std::move(hand_over)).ok());
  // Once more, before a device is attached.
  absl::StatusOr<LinkHandOver> again = link_->HandOver();
  ASSERT_TRUE(again.ok());
  link_.reset();
  options_.absent_peers = absl::ZeroDuration();
  ASSERT_TRUE(TryToAdopt(*std::move(again)).ok());
  Restore();
  Ring(2, 0);
  EXPECT_TRUE(two[0]->Drain());
  ASSERT_TRUE(Until([&] { return sink_.delivered[0] == 2; }));
  ASSERT_TRUE(UntilEvent(Kind::kPeerLeft));
  EXPECT_EQ(events_.Last(Kind::kPeerLeft).peer, 2);
  EXPECT_THAT(HandOver().earlier, SizeIs(1)) << "again";
}

// While the server is away peers can be rung, and the link that goes on comes
// back to it under the same name.
TEST_F(ServerLinkHandOver, WithoutAServer) {
  JoinAs(1);
  AttachDevice(1);
  const std::string name = server_.client_name();
  const Events own = server_.Connect(1, 1);
  const Events two = server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  server_.StopListening();
  server_.Hangup();
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  LinkHandOver hand_over = HandOver();
  EXPECT_FALSE(hand_over.connection.has_value());
  ASSERT_TRUE(TryToAdopt(std::move(hand_over)).ok());
  Restore();
  Ring(2, 0);
  EXPECT_TRUE(two[0]->Drain());
  own[0]->Signal();
  ASSERT_TRUE(Until([&] { return sink_.delivered[0] == 1; }));
  server_.Listen();
  EXPECT_EQ(Accept(), name);
  server_.Greet(1, memory_.fd());
  EXPECT_TRUE(UntilEvent(Kind::kRejoined));
}

// What cannot be: an error, and the link is as it was.
TEST_F(ServerLinkHandOver, Refused) {
  Start();
  EXPECT_TRUE(absl::IsFailedPrecondition(link_->HandOver().status()));
  Accept();
  server_.Greet(1, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kJoined));
  const absl::StatusOr<LinkHandOver> once = link_->HandOver();
  EXPECT_TRUE(once.ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(link_->HandOver().status()));
}

// To throw a hand-over away is to leave.
TEST_F(ServerLinkHandOver, ThrownAway) {
  const auto before = OpenFds();
  JoinAs(1);
  AttachDevice(1);
  server_.Connect(1, 1);
  server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  EXPECT_GT(OpenFds().size(), before.size());
  { const LinkHandOver hand_over = HandOver(); }
  EXPECT_TRUE(server_.ClosedWithin(kPatience));
  server_.Hangup();
  EXPECT_EQ(OpenFds(), before);
}

// Whatever somebody put into it: an error that names it, and no descriptor is
// left.
TEST_F(ServerLinkHandOver, HostileOnes) {
  options_.memory_size = memory_.size();
  options_.max_descriptors = 16;
  JoinAs(1);
  server_.Connect(1, 2);
  server_.Connect(2, 1);
  ASSERT_TRUE(UntilEvent(Kind::kPeerJoined));
  LinkHandOver good = HandOver();
  const int connection = good.connection->socket.get();
  const auto event = good.peers[0].events[0];
  const auto copy = [&] {
    return LinkHandOver{
        .identity = good.identity,
        .id = good.id,
        .memory = *MemoryObject::Adopt(UniqueFd(dup(good.memory.fd()))),
        .peers = good.peers,
        .earlier = good.earlier,
        .connection = LinkHandOver::Connection{
            .socket = UniqueFd(dup(connection)),
            .messages = good.connection->messages,
            .own_vectors = good.connection->own_vectors,
            .bytes = {},
            .fds = {}}};
  };
  const auto before = OpenFds();
  const struct {
    const char* error;
    std::function<void(LinkHandOver&)> spoil;
  } kCases[] = {
      {"identity: ", [](auto& to) { to.identity = "0123"; }},
      {"memory: expected 4096 bytes, got 8192",
       [](auto& to) { to.memory = *MemoryObject::Memfd(8192); }},
      {"events of peer 9: expected 1 to 2048, got 0",
       [](auto& to) { to.peers.push_back({.id = 9, .events = {}}); }},
      {"events of peer 9: expected one for each vector",
       [](auto& to) { to.peers.push_back({.id = 9, .events = {nullptr}}); }},
      {"2 a second time",
       [&](auto& to) { to.peers.push_back({.id = 2, .events = {event}}); }},
      {"peer 1: expected one that is there",
       [&](auto& to) {
         to.peers.push_back({.id = 1, .absent = true, .events = {event}});
       }},
      {"earlier: ",
       [](auto& to) {
         to.earlier.push_back({0, nullptr});
       }},
      {"earlier: ",
       [&](auto& to) {
         to.earlier.push_back({2048, event});
       }},
      {"max_descriptors",
       [&](auto& to) {
         to.earlier.assign(14, {0, event});
       }},
      {"own_vectors: expected at least 2, got 1",
       [](auto& to) { to.connection->own_vectors = 1; }},
      {"vectors of peer 1: expected 1 to 2048, got -1",
       [](auto& to) { to.connection->own_vectors = -1; }},
      {"vectors of peer 1: expected 1 to 2048, got 2049",
       [](auto& to) { to.connection->own_vectors = 2049; }},
      {"message under way: expected less than 8 bytes, got 8",
       [](auto& to) { to.connection->bytes.resize(8); }},
      {"connection: expected a socket",
       [](auto& to) { to.connection->socket.Reset(); }},
      {"connection: expected a socket",
       [](auto& to) { to.connection->socket.Reset(eventfd(0, 0)); }},
      {"connection: expected a connected stream socket",
       [](auto& to) {
         to.connection->socket.Reset(socket(AF_UNIX, SOCK_DGRAM, 0));
       }},
  };
  for (const auto& [error, spoil] : kCases) {
    SCOPED_TRACE(error);
    LinkHandOver spoilt = copy();
    spoil(spoilt);
    const absl::Status status = TryToAdopt(std::move(spoilt));
    EXPECT_TRUE(absl::IsInvalidArgument(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(error));
  }
  EXPECT_EQ(OpenFds(), before);
  EXPECT_TRUE(TryToAdopt(copy()).ok()) << "else nothing was shown";
}

// A socket that is not connected is a server that has gone.
TEST_F(ServerLinkHandOver, AConnectionThatIsNone) {
  JoinAs(1);
  LinkHandOver hand_over = HandOver();
  hand_over.connection->socket.Reset(socket(AF_UNIX, SOCK_STREAM, 0));
  ASSERT_TRUE(TryToAdopt(std::move(hand_over)).ok());
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  Accept();
  server_.Greet(1, memory_.fd());
  EXPECT_TRUE(UntilEvent(Kind::kRejoined));
}

}  // namespace
}  // namespace ivshmem
