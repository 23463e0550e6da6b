// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Clients that do not read: they cost the others nothing, and go in the end.

#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/server.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

using testing::ElementsAre;
using testing::Pair;

// Fewer messages fill a socket than what a client of so many vectors is owed.
constexpr int kManyVectors = 600;

// While one reads nothing, others come, are told everything, and leave.
TEST_F(ServerTest, AClientThatNeverReadsHoldsUpNobody) {
  Start({.vectors = kManyVectors, .stall_timeout = absl::InfiniteDuration()});
  const auto silent = Connect();
  std::vector<std::unique_ptr<TestClient>> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Join());
  EXPECT_TRUE(Until([&] {
    bool all = true;
    for (const auto& client : clients) {
      client->Read();
      all = all && client->peers().size() == 5 &&
            client->peers().at(0) == kManyVectors;
    }
    return all;
  }));
  const Status status = server_->status();
  EXPECT_TRUE(status.peers[0].waiting);
  EXPECT_GT(status.peers[0].unread, 0);
  EXPECT_GT(status.peers[0].queued, 0);
  EXPECT_TRUE(events_.left.empty());
}

// It wakes up and is told everything, none lost.
// Fault: server-drops
TEST_F(ServerTest, AClientThatReadsLateIsToldEverything) {
  Start({.vectors = kManyVectors});
  std::vector<std::unique_ptr<TestClient>> clients;
  clients.push_back(Connect());
  for (int i = 0; i < 2; ++i) clients.push_back(Join());
  Settle();
  EXPECT_TRUE(UntilAllKnow(clients));
}

// Who is owed messages and reads none for the stall timeout is disconnected.
TEST_F(ServerTest, DisconnectsAClientThatStalls) {
  Start({.vectors = kManyVectors, .stall_timeout = absl::Milliseconds(200)});
  const auto silent = Connect();
  ASSERT_TRUE(Until([&] { return !events_.left.empty(); }));
  EXPECT_THAT(events_.left, ElementsAre(Pair(0, Departure::kStalled)));
  EXPECT_EQ(server_->status().peers.size(), 0);
}

// Who reads a little now and then makes progress, though the socket stays full.
TEST_F(ServerTest, ASlowReaderIsNotStalled) {
  constexpr auto kTimeout = absl::Milliseconds(1500);
  Start({.vectors = 2 * kManyVectors, .stall_timeout = kTimeout});
  absl::Time last = absl::Now();
  const auto slow = Connect();
  Settle();
  ASSERT_TRUE(server_->status().peers[0].waiting);
  const absl::Time end = last + 3 * kTimeout;
  absl::Duration longest;
  bool reads = true;
  while (absl::Now() < end) {
    reads = slow->Read(1) == 1 && reads;
    loop_->Dispatch(absl::Milliseconds(20));
    longest = std::max(longest, absl::Now() - last);
    last = absl::Now();
  }
  // On a machine that stood still it would have stalled indeed.
  if (longest < kTimeout / 2) {
    EXPECT_TRUE(reads);
    EXPECT_TRUE(events_.left.empty());
    EXPECT_TRUE(server_->status().peers[0].waiting);
  }
}

// So does who reads a lot, though as much is sent at once, so that it never
// leaves less unread than before.
TEST_F(ServerTest, AReaderWhoseSocketIsFilledAgainIsNotStalled) {
  constexpr auto kTimeout = absl::Milliseconds(800);
  Start({.vectors = kManyVectors, .stall_timeout = kTimeout});
  std::vector<std::unique_ptr<TestClient>> others;
  absl::Time last = absl::Now();
  for (int i = 0; i < 12; ++i) {
    auto socket = unix_socket::Connect(path_, std::nullopt);
    ASSERT_TRUE(socket.ok()) << socket.status();
    others.push_back(std::make_unique<TestClient>(*std::move(socket),
                                                  TestClient::Vectors::kClose));
  }
  Settle();
  const auto reader = Connect();
  Settle();
  absl::Duration longest;
  for (const absl::Time end = last + 3 * kTimeout; absl::Now() < end;) {
    reader->Read(250);  // So many that the server is told of room.
    Settle();
    for (const auto& other : others) other->Read();
    absl::SleepFor(absl::Milliseconds(170));
    longest = std::max(longest, absl::Now() - last);
    last = absl::Now();
  }
  if (longest < kTimeout / 2) {
    EXPECT_TRUE(events_.left.empty());
    EXPECT_GT(server_->status().peers.back().queued, 0);
  }
}

// Who is owed nothing may leave its socket unread for as long as it likes, as a
// virtual machine that is stopped.
TEST_F(ServerTest, AClientThatIsOwedNothingIsNotStalled) {
  Start({.vectors = 150, .stall_timeout = absl::Seconds(2)});
  const auto reading = Join();
  const auto reading_too = Join();
  const auto idle = Join();
  const auto silent = Connect();  // More than fits is owed to this one only.
  ASSERT_TRUE(Until([&] {
    reading->Read();
    reading_too->Read();
    return !events_.left.empty();
  }));
  EXPECT_THAT(events_.left, ElementsAre(Pair(3, Departure::kStalled)));
  EXPECT_GT(server_->status().peers[2].unread, 0);
}

// A stopped machine's socket holds as many messages as Linux lets it by
// default: more than one of who reads.
TEST_F(ServerTest, AClientThatDoesNotReadIsGivenRoom) {
  constexpr int kFitByDefault = 278;
  Start({.vectors = 25});
  const auto stopped = Join();
  std::vector<std::unique_ptr<TestClient>> others;
  for (int i = 0; i < (kFitByDefault - 3) / 25; ++i) others.push_back(Join());
  EXPECT_TRUE(Until([&] {
    for (const auto& client : others) client->Read();
    return server_->status().peers[0].queued == 0;
  }));
  EXPECT_TRUE(events_.left.empty());
}

// A client that says nothing but connects does not keep others from it.
TEST_F(ServerTest, ManySilentClientsAreAllDisconnected) {
  Start({.vectors = kManyVectors,
         .max_peers = 8,
         .stall_timeout = absl::Milliseconds(200)});
  std::vector<std::unique_ptr<TestClient>> silent;
  for (int i = 0; i < 8; ++i) silent.push_back(Connect());
  ASSERT_TRUE(Until([&] { return events_.left.size() == 8; }));
  EXPECT_EQ(Join()->id(), 0);
}

// Any number of connections that come and go cost nothing when they are gone.
TEST_F(ServerTest, ConnectionsThatGoAtOnceLeaveNothing) {
  Start({.vectors = 2});
  const auto other = Join();
  const int before = OpenDescriptors();
  for (int i = 0; i < 2000; ++i) {
    Connect()->Close();
    if (i % 8 == 0) loop_->Dispatch(absl::ZeroDuration());
  }
  ASSERT_TRUE(Until([&] {
    return server_->status().peers.size() == 1 && events_.joined.size() == 2001;
  }));
  EXPECT_EQ(OpenDescriptors(), before);
  EXPECT_TRUE(Until([&] {
    other->Read();
    return other->peers().size() == 1;
  }));
  EXPECT_TRUE(other->error().ok()) << other->error();
}

// Out of descriptors, the server does not ask again and again, and goes on when
// there are some.
TEST_F(ServerTest, WaitsForDescriptors) {
  Start({});
  const auto first = Join();
  const auto second = Connect();
  std::vector<UniqueFd> all;
  while (true) {
    UniqueFd fd(dup(0));
    if (!fd.valid()) break;
    all.push_back(std::move(fd));
  }
  const absl::Time begin = absl::Now();
  ASSERT_TRUE(Until([&] { return !events_.trouble.empty(); }));
  EXPECT_EQ(events_.trouble[0].code(), absl::StatusCode::kResourceExhausted);
  const int asked_again = loop_->Dispatch(absl::ZeroDuration());
  // It pauses for 100 ms.
  if (absl::Now() - begin < absl::Milliseconds(100)) {
    EXPECT_EQ(asked_again, 0);
  }
  all.clear();
  ASSERT_TRUE(Until([&] {
    second->Read();
    return second->joined();
  }));
}

// With room for the connection, but not for its events, the client is refused
// and not half served.
TEST_F(ServerTest, RefusesAClientWithoutRoomForItsEvents) {
  Start({.vectors = 4});
  const auto client = Connect();
  std::vector<UniqueFd> all;
  while (true) {
    UniqueFd fd(dup(0));
    if (!fd.valid()) break;
    all.push_back(std::move(fd));
  }
  all.resize(all.size() - 3);
  ASSERT_TRUE(Until([&] { return !events_.refused.empty(); }));
  EXPECT_EQ(events_.refused[0], Refusal::kNoDescriptors);
  all.clear();
  client->Read();
  EXPECT_TRUE(client->closed());
  EXPECT_TRUE(client->told().empty());
  EXPECT_EQ(Join()->id(), 0);
}

}  // namespace
}  // namespace ivshmem::server
