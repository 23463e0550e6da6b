// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/server.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/linux/identity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

using protocol::ClientEvent;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using Kind = ClientEvent::Kind;

// A test that runs beside this one has others.
const std::string kAlice = RandomIdentity();
const std::string kBob = RandomIdentity();

// A client is sent the version, its id and the memory, and is told of itself.
// Clause: server-first-id, greeting-version, greeting-id
// Clause: greeting-memory, greeting-own
TEST_F(ServerTest, GreetsAClient) {
  Start({.vectors = 2});
  const auto client = Join();
  EXPECT_THAT(client->told(),
              ElementsAre(ClientEvent{Kind::kVersion}, ClientEvent{Kind::kId},
                          ClientEvent{Kind::kMemory},
                          ClientEvent{Kind::kOwnVector, 0, 0},
                          ClientEvent{Kind::kOwnVector, 0, 1}));
  struct stat memory;
  ASSERT_EQ(fstat(client->memory(), &memory), 0);
  EXPECT_EQ(memory.st_ino, memory_.identity().inode);
}

// A client is told of those who are there before it is told of itself, and they
// are told of it.
// Clause: server-connect, notify-connect
TEST_F(ServerTest, TellsClientsOfEachOther) {
  Start({.vectors = 2});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Join());
  ASSERT_TRUE(UntilAllKnow(clients));
  EXPECT_THAT(clients[2]->peers(),
              ElementsAre(Pair(0, 2), Pair(1, 2), Pair(2, 2)));
  EXPECT_EQ(clients[2]->told().back(), (ClientEvent{Kind::kOwnVector, 2, 1}));
  EXPECT_THAT(clients[0]->peers(),
              ElementsAre(Pair(0, 2), Pair(1, 2), Pair(2, 2)));
}

// What a client has for another's vector is what the other has for its own, and
// nobody's else.
// Clause: greeting-own, vectors
TEST_F(ServerTest, GivesEachVectorAnEventOfItsOwn) {
  Start({.vectors = 3});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 3; ++i) clients.push_back(Join());
  ASSERT_TRUE(UntilAllKnow(clients));
  uint64_t value = 0;
  for (int from = 0; from < 3; ++from) {
    for (PeerId peer = 0; peer < 3; ++peer) {
      for (Vector vector = 0; vector < 3; ++vector) {
        ++value;
        eventfd_write(clients[from]->event(peer, vector), value);
        eventfd_t rung = 0;
        EXPECT_EQ(eventfd_read(clients[peer]->event(peer, vector), &rung), 0);
        EXPECT_EQ(rung, value);
      }
    }
  }
}

// Who leaves is told to all others; its id is the next client's.
// Clause: server-disconnect, notify-disconnect
// Differs: lowest-free-id
TEST_F(ServerTest, TellsOfLeavingAndGivesTheLowestFreeId) {
  Start({});
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Join());
  ASSERT_TRUE(UntilAllKnow(clients));
  clients.erase(clients.begin() + 1);
  ASSERT_TRUE(UntilAllKnow(clients));
  EXPECT_FALSE(clients[0]->peers().contains(1));
  EXPECT_THAT(events_.left, ElementsAre(Pair(1, Departure::kHungUp)));
  clients.push_back(Join());
  EXPECT_EQ(clients.back()->id(), 1);
  ASSERT_TRUE(UntilAllKnow(clients));
}

// The protocol has nothing that a client says: any byte ends the connection.
// Clause: one-way, error-close
TEST_F(ServerTest, DisconnectsAClientThatSpeaks) {
  Start({});
  const auto client = Join();
  const auto other = Join();
  ASSERT_EQ(send(client->fd(), "x", 1, 0), 1);
  ASSERT_TRUE(Until([&] {
    client->Read();
    return client->closed();
  }));
  EXPECT_THAT(events_.left, ElementsAre(Pair(0, Departure::kSpoke)));
  EXPECT_EQ(server_->status().counts.left[1], 1);
  other->Read();
  EXPECT_FALSE(other->closed());
}

// ... and so do descriptors, which are not kept.
TEST_F(ServerTest, KeepsNoDescriptorsThatAClientSends) {
  Start({});
  const auto client = Join();
  const int before = OpenDescriptors();
  const std::vector<unix_socket::Message> messages(8, {.fd = memory_.fd()});
  ASSERT_TRUE(unix_socket::SendMessages(client->fd(), messages).ok());
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  // The connection and its event.
  EXPECT_EQ(OpenDescriptors(), before - 2);
}

// A client that says that it will send nothing has left.
TEST_F(ServerTest, TakesHalfACloseForAWhole) {
  Start({});
  const auto client = Join();
  shutdown(client->fd(), SHUT_WR);
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  EXPECT_EQ(events_.left[0].second, Departure::kHungUp);
}

// So has one that leaves what it was sent unread.
// Fault: server-vanishing-client
TEST_F(ServerTest, AClientMayLeaveAtAnyPointOfItsGreeting) {
  Start({.vectors = 4});
  const auto other = Join();
  for (int messages = 0; messages < 12; ++messages) {
    auto client = Connect();
    int read = 0;
    ASSERT_TRUE(Until([&] {
      read += client->Read(messages - read);
      return read == messages;
    }));
    client->Close();
    const size_t gone = messages + 1;
    ASSERT_TRUE(Until([&] { return events_.left.size() == gone; }));
    EXPECT_EQ(events_.left.back().second, Departure::kHungUp);
  }
  Settle();
  other->Read();
  EXPECT_TRUE(other->error().ok()) << other->error();
  EXPECT_THAT(other->peers(), ElementsAre(Pair(0, 4)));
}

// Only those on the list may join; others get not a byte.
TEST_F(ServerTest, RefusesWhoIsNotAllowed) {
  Start({.access = {.users = {4711}, .groups = {4712}}});
  const auto client = Connect();
  ASSERT_TRUE(Until([&] {
    client->Read();
    return client->closed();
  }));
  EXPECT_TRUE(client->told().empty());
  EXPECT_THAT(events_.refused, ElementsAre(Refusal::kNotAllowed));
  EXPECT_TRUE(events_.joined.empty());
}

TEST_F(ServerTest, LetsInWhoIsAllowed) {
  Start({.access = {.users = {getuid()}, .groups = {}}});
  EXPECT_EQ(Join()->id(), 0);
}

// A group's members are let in by the group that they came with.
TEST(AccessListTest, AllowsUsersOrGroups) {
  const AccessList list = {.users = {1, 2}, .groups = {10}};
  EXPECT_TRUE(list.Allows({.uid = 1, .gid = 99}));
  EXPECT_TRUE(list.Allows({.uid = 99, .gid = 10}));
  EXPECT_FALSE(list.Allows({.uid = 10, .gid = 1}));
  EXPECT_FALSE(list.Allows({.uid = 0, .gid = 0}));
  EXPECT_TRUE(AccessList().Allows({.uid = 0, .gid = 0}));
  const AccessList groups = {.users = {}, .groups = {10}};
  EXPECT_FALSE(groups.Allows({.uid = 1, .gid = 11}));
}

// No more than max_peers at a time, and again when one has left.
TEST_F(ServerTest, RefusesOnePeerTooMany) {
  Start({.max_peers = 2});
  auto first = Join();
  const auto second = Join();
  const auto third = Connect();
  ASSERT_TRUE(Until([&] {
    third->Read();
    return third->closed();
  }));
  EXPECT_TRUE(third->told().empty());
  EXPECT_THAT(events_.refused, ElementsAre(Refusal::kFull));
  first.reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  EXPECT_EQ(Join()->id(), 0);
}

// A client that is known by its socket's name gets the id that it had, which
// nobody else got meanwhile.
TEST_F(ServerTest, KeepsTheIdOfAClientThatComesAgain) {
  Start({});
  auto alice = Join(kAlice);
  ASSERT_EQ(alice->id(), 0);
  alice.reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  const auto bob = Join(kBob);
  const auto stranger = Join();
  EXPECT_EQ(bob->id(), 1);
  EXPECT_EQ(stranger->id(), 2);
  EXPECT_EQ(Join(kAlice)->id(), 0);
}

// A name that is no identity is nobody's.
TEST_F(ServerTest, KeepsNoIdForOtherNames) {
  Start({});
  for (const std::string name : {"QEMU", "ivshmem-", "ivshmem-0123"}) {
    auto socket = unix_socket::Connect(path_, name);
    ASSERT_TRUE(socket.ok()) << socket.status();
    TestClient client(*std::move(socket));
    ASSERT_TRUE(Until([&] {
      client.Read();
      return client.joined();
    }));
    EXPECT_EQ(client.id(), 0) << name;
    client.Close();
    const size_t joined = events_.joined.size();
    ASSERT_TRUE(Until([&] { return events_.left.size() == joined; }));
  }
}

// The ids that clients had before a restart are theirs, and nobody else's,
// those of clients without a name too.
TEST_F(ServerTest, GoesOnWithTheIdsOfBefore) {
  const std::string owner =
      std::to_string(getuid()) + ":" + std::to_string(getgid()) + ":" + kAlice;
  Start({.holdings = {{0, ""}, {2, owner}}});
  EXPECT_EQ(Join(kBob)->id(), 1);
  EXPECT_EQ(Join(kAlice)->id(), 2);
  EXPECT_EQ(Join()->id(), 3);
}

// The identity of another user is another's.
TEST_F(ServerTest, DoesNotGiveAnIdToAnotherUser) {
  const std::string owner = "4711:" + std::to_string(getgid()) + ":" + kAlice;
  Start({.holdings = {{0, owner}}});
  EXPECT_EQ(Join(kAlice)->id(), 1);
}

// Ids are kept for a time and no longer.
TEST_F(ServerTest, KeepsIdsForATimeOnly) {
  Start({.keep_ids = absl::ZeroDuration(), .holdings = {{0, ""}}});
  EXPECT_EQ(Join()->id(), 0);
}

// What a restart needs is saved before the client knows its id, once for all
// who came in one turn.
TEST_F(ServerTest, SavesBeforeItGreets) {
  std::vector<std::unique_ptr<TestClient>> clients;
  int saves = 0;
  Start({.save = [&](const Server::Holdings& holdings) {
    ++saves;
    EXPECT_EQ(holdings.size(), clients.size());
    for (const auto& client : clients) EXPECT_EQ(client->Read(), 0);
    return absl::OkStatus();
  }});
  for (int i = 0; i < 10; ++i) {
    clients.push_back(Connect(i == 3 ? kAlice : std::optional<std::string>()));
  }
  ASSERT_TRUE(UntilAllKnow(clients));
  EXPECT_EQ(saves, 1);
}

// An owner's id is saved with its owner, and stays when it has left.
TEST_F(ServerTest, SavesWhoHasWhichId) {
  Server::Holdings saved;
  Start({.save = [&](const Server::Holdings& holdings) {
    saved = holdings;
    return absl::OkStatus();
  }});
  const auto stranger = Join();
  auto alice = Join(kAlice);
  const std::string owner =
      std::to_string(getuid()) + ":" + std::to_string(getgid()) + ":" + kAlice;
  const Server::Holdings both = {{0, ""}, {1, owner}};
  EXPECT_EQ(saved, both);
  alice.reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  Settle();
  EXPECT_EQ(saved, both);
}

// That a client without a name has left is saved as well.
TEST_F(ServerTest, SavesWhoHasLeft) {
  Server::Holdings saved;
  Start({.save = [&](const Server::Holdings& holdings) {
    saved = holdings;
    return absl::OkStatus();
  }});
  const auto first = Join();
  auto second = Join();
  EXPECT_EQ(saved.size(), 2);
  second.reset();
  ASSERT_TRUE(Until([&] { return saved.size() == 1; }));
  EXPECT_EQ(saved[0].id, 0);
}

// A state that cannot be saved is trouble, but clients are served, and the next
// change tries again.
TEST_F(ServerTest, ServesOnWhenTheStateCannotBeSaved) {
  int saves = 0;
  Start({.save = [&](const Server::Holdings&) {
    ++saves;
    return absl::ResourceExhaustedError("no space");
  }});
  const auto first = Join();
  EXPECT_EQ(first->id(), 0);
  EXPECT_EQ(events_.trouble.size(), 1);
  const auto second = Join();
  EXPECT_EQ(saves, 2);
  EXPECT_EQ(server_->status().counts.trouble, 2);
}

// The status says who is there and what happened.
TEST_F(ServerTest, SaysHowItIs) {
  Start({.vectors = 3, .max_peers = 7});
  const auto first = Join();
  const auto second = Join();
  ASSERT_TRUE(Until([&] {
    first->Read();
    return first->peers().size() == 2;
  }));
  Settle();
  const Status status = server_->status();
  EXPECT_EQ(status.vectors, 3);
  EXPECT_EQ(status.max_peers, 7);
  EXPECT_EQ(status.counts.joined, 2);
  // Greetings of 3, and both of both.
  EXPECT_EQ(status.delivery.messages, 2 * 3 + 2 * 2 * 3);
  ASSERT_EQ(status.peers.size(), 2);
  EXPECT_EQ(status.peers[1].peer, 1);
  EXPECT_EQ(status.peers[1].who.pid, getpid());
  EXPECT_EQ(status.peers[1].who.uid, getuid());
  EXPECT_EQ(status.peers[1].queued, 0);
  EXPECT_EQ(status.peers[1].unread, 0);
  EXPECT_FALSE(status.peers[1].waiting);
}

// Nothing is left of a server that has ended: connections and descriptors.
TEST_F(ServerTest, LeavesNothingBehind) {
  Start({.vectors = 8});
  StopServer();
  const int before = OpenDescriptors();
  Start({.vectors = 8});
  const auto client = Join();
  const auto other = Connect();
  Settle();
  StopServer();
  client->Read();
  EXPECT_TRUE(client->closed());
  // Both connections, of the one the memory, and for each of both 8 events.
  EXPECT_EQ(OpenDescriptors(), before + 2 + 1 + 16);
}

// Options out of range are named, with what is expected and what came.
// Fault: server-sizes
TEST_F(ServerTest, RefusesOptionsOutOfRange) {
  const auto error = [&](Server::Options options) {
    const auto server =
        Server::Start(*loop_, 0, 0, std::move(options), nullptr);
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(server.status().message());
  };
  EXPECT_EQ(error({.vectors = 0}), "vectors: expected 1 to 2048, got 0");
  EXPECT_EQ(error({.vectors = 2049}), "vectors: expected 1 to 2048, got 2049");
  EXPECT_EQ(error({.max_peers = 0}), "max_peers: expected 1 to 65536, got 0");
  EXPECT_EQ(error({.max_peers = 65537}),
            "max_peers: expected 1 to 65536, got 65537");
  EXPECT_THAT(error({.stall_timeout = absl::ZeroDuration()}),
              HasSubstr("stall_timeout: expected more than 0, got 0"));
}

}  // namespace
}  // namespace ivshmem::server
