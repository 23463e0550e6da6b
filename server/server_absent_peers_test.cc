// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Clients that go and may come back, where the server waits for them before it
// tells the others.

#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "backends/linux/identity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// A test that runs beside this one has others.
const std::string kAlice = RandomIdentity();
const std::string kBob = RandomIdentity();

class AbsentPeers : public ServerTest {
 protected:
  void Start(absl::Duration absent_peers, int max_peers = 10) {
    ServerTest::Start(
        {.vectors = 2, .max_peers = max_peers, .absent_peers = absent_peers});
  }

  [[nodiscard]] bool UntilAway(size_t times = 1) {
    return Until([&] { return events_.away.size() >= times; });
  }

  // Reads what is there, and has not come before.
  static size_t New(TestClient& client) {
    const size_t before = client.told().size();
    client.Read();
    return client.told().size() - before;
  }
};

// The one that returns has its id and its events; what was rung meanwhile is in
// them. The other is told nothing, and goes on ringing by the same events.
TEST_F(AbsentPeers, OneReturns) {
  Start(absl::InfiniteDuration());
  const auto other = Join();
  auto alice = Join(kAlice);
  ASSERT_EQ(alice->id(), 1);
  ASSERT_TRUE(Until([&] {
    other->Read();
    return other->peers().contains(1);
  }));
  const int memory_events = OpenDescriptors();
  alice.reset();
  ASSERT_TRUE(UntilAway());
  EXPECT_LT(OpenDescriptors(), memory_events) << "its connection is closed";
  EXPECT_TRUE(server_->status().peers[1].away);
  eventfd_write(other->event(1, 0), 3);
  eventfd_write(other->event(1, 1), 5);
  alice = Join(kAlice);
  EXPECT_EQ(alice->id(), 1);
  eventfd_t rung = 0;
  EXPECT_EQ(eventfd_read(alice->event(1, 0), &rung), 0);
  EXPECT_EQ(rung, 3);
  EXPECT_EQ(eventfd_read(alice->event(1, 1), &rung), 0);
  EXPECT_EQ(rung, 5);
  eventfd_write(alice->event(0, 1), 7);
  EXPECT_EQ(eventfd_read(other->event(0, 1), &rung), 0);
  EXPECT_EQ(rung, 7);

  Settle();
  EXPECT_EQ(New(*other), 0u);
  EXPECT_EQ(alice->told().back().kind, protocol::ClientEvent::Kind::kOwnVector);
  EXPECT_THAT(events_.returned, ElementsAre(1));
  EXPECT_THAT(events_.left, IsEmpty());
  EXPECT_EQ(events_.joined.size(), 2u);
  EXPECT_EQ(server_->status().counts.returned, 1);
  EXPECT_FALSE(server_->status().peers[1].away);
}

// Who comes while one is away can ring it.
TEST_F(AbsentPeers, ANewcomerKnowsWhoIsAway) {
  Start(absl::InfiniteDuration());
  auto alice = Join(kAlice);
  alice.reset();
  ASSERT_TRUE(UntilAway());
  const auto other = Join();
  ASSERT_EQ(other->id(), 1);
  eventfd_write(other->event(0, 1), 1);
  alice = Join(kAlice);
  eventfd_t rung = 0;
  EXPECT_EQ(eventfd_read(alice->event(0, 1), &rung), 0);
  eventfd_write(alice->event(1, 0), 1);
  EXPECT_EQ(eventfd_read(other->event(1, 0), &rung), 0);
}

// Who does not come in time has left, and its id is kept as ever.
TEST_F(AbsentPeers, OneDoesNotReturn) {
  Start(absl::Milliseconds(1));
  const auto other = Join();
  auto alice = Join(kAlice);
  alice.reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  EXPECT_THAT(events_.left, ElementsAre(Pair(1, Departure::kHungUp)));
  ASSERT_TRUE(Until([&] {
    other->Read();
    return other->peers().size() == 1;
  }));
  EXPECT_EQ(server_->peers(), 1);
  alice = Join(kAlice);
  EXPECT_EQ(alice->id(), 1);
  EXPECT_THAT(events_.returned, IsEmpty());
}

// Nobody waits for who has no name, who broke the protocol, or, unless told to,
// for anybody.
TEST_F(AbsentPeers, WhoIsNotWaitedFor) {
  Start(absl::InfiniteDuration());
  Join().reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  const auto alice = Join(kAlice);
  ASSERT_EQ(send(alice->fd(), "x", 1, 0), 1);
  ASSERT_TRUE(Until([&] { return events_.left.size() == 2; }));
  EXPECT_THAT(events_.away, IsEmpty());
  StopServer();
  events_.left.clear();
  Start(absl::ZeroDuration());
  Join(kBob).reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  EXPECT_THAT(events_.away, IsEmpty());
}

// The one that comes again can be faster than the news of its former
// connection's end: both are there in one turn of the loop.
TEST_F(AbsentPeers, InOneTurn) {
  Start(absl::InfiniteDuration());
  for (int round = 0; round < 20; ++round) {
    const auto client = Join(kAlice);
    EXPECT_EQ(client->id(), 0);
  }
  EXPECT_EQ(events_.returned.size(), 19u);
}

// Who comes by the name of one that is there, out of another network namespace,
// is a stranger, for whom nobody waits.
TEST_F(AbsentPeers, AStrangerByTheSameName) {
  Start(absl::InfiniteDuration());
  auto alice = Join(kAlice);
  std::unique_ptr<TestClient> stranger;
  std::thread elsewhere([&] {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root";
    stranger = Connect(kAlice);
  });
  elsewhere.join();
  ASSERT_NE(stranger, nullptr);
  ASSERT_TRUE(Until([&] {
    stranger->Read();
    return stranger->joined();
  }));
  EXPECT_EQ(stranger->id(), 1);
  stranger.reset();
  ASSERT_TRUE(Until([&] { return events_.left.size() == 1; }));
  EXPECT_THAT(events_.away, IsEmpty());
  alice.reset();
  ASSERT_TRUE(UntilAway());
  EXPECT_EQ(Join(kAlice)->id(), 0);
}

// Who is away makes room when all places are taken, the first of them first.
TEST_F(AbsentPeers, MakeRoom) {
  Start(absl::Hours(1), 3);
  auto alice = Join(kAlice);
  auto bob = Join(kBob);
  const auto third = Join();
  bob.reset();
  ASSERT_TRUE(UntilAway(1));
  alice.reset();
  ASSERT_TRUE(UntilAway(2));
  const auto fourth = Join();
  EXPECT_THAT(events_.left, ElementsAre(Pair(1, Departure::kHungUp)));
  EXPECT_EQ(Join(kAlice)->id(), 0) << "is not refused, though all are taken";
  EXPECT_THAT(events_.refused, IsEmpty());
}

// One that goes while it is owed much, its socket's buffer full, and comes back
// is told all of it from the beginning.
TEST_F(AbsentPeers, InTheMiddleOfWhatItIsTold) {
  ServerTest::Start({.vectors = 512,
                     .stall_timeout = absl::InfiniteDuration(),
                     .absent_peers = absl::InfiniteDuration()});
  std::vector<std::unique_ptr<TestClient>> others;
  for (int i = 0; i < 3; ++i) others.push_back(Join());
  for (int read = 0; read < 2000; read += 97) {
    auto alice = Connect(kAlice);
    int got = 0;
    ASSERT_TRUE(Until([&] {
      got += alice->Read(read - got);
      return got == read;
    }));
  }
  const auto alice = Join(kAlice);
  EXPECT_EQ(alice->id(), 3);
  EXPECT_EQ(alice->peers().size(), 4u);
  EXPECT_EQ(alice->vectors(), 4u * 512);
  Settle();
  EXPECT_THAT(events_.left, IsEmpty());
}

// Nothing is left of who is away when the server ends.
TEST_F(AbsentPeers, LeaveNothingBehind) {
  Start(absl::InfiniteDuration());
  StopServer();
  const int before = OpenDescriptors();
  Start(absl::InfiniteDuration());
  const int running = OpenDescriptors();
  Join(kAlice).reset();
  ASSERT_TRUE(UntilAway());
  EXPECT_EQ(OpenDescriptors(), running + 2) << "its events";
  StopServer();
  EXPECT_EQ(OpenDescriptors(), before);
}

}  // namespace
}  // namespace ivshmem::server
