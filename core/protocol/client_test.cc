// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The client's half of the specification's "Client-Server Protocol".

#include "core/protocol/client.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace ivshmem::protocol {

void PrintTo(const ClientEvent& event, std::ostream* out) {
  *out << "kind " << static_cast<int>(event.kind) << " peer " << event.peer
       << " vector " << event.vector;
}

namespace {

using Kind = ClientEvent::Kind;

class ClientTest : public ::testing::Test {
 protected:
  // The event that a message gives, which has to be one.
  ClientEvent Event(int64_t number, size_t handles) {
    const absl::StatusOr<ClientEvent> event =
        client_.OnMessage(number, handles);
    EXPECT_TRUE(event.ok()) << event.status();
    return event.value_or(ClientEvent{});
  }

  // The error that a message gives, which has to be InvalidArgument.
  std::string Error(int64_t number, size_t handles) {
    return Error(client_, number, handles);
  }
  static std::string Error(Client& client, int64_t number, size_t handles) {
    const absl::Status status = client.OnMessage(number, handles).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    return std::string(status.message());
  }

  // As a client of id 3 that has got version and id, ...
  void Identify() {
    Event(0, 0);
    Event(3, 0);
  }
  // ... and the memory.
  void Join() {
    Identify();
    Event(-1, 1);
  }

  Client client_;
};

// What an event's kind does not name is 0.
TEST_F(ClientTest, EventsSayNothingElse) {
  const ClientEvent version = Event(0, 0);
  EXPECT_EQ(version.peer, 0);
  EXPECT_EQ(version.vector, 0);
}

// "On connect, the server sends in order": version, id, memory, the vectors of
// the others, those of the client; then notifications.
// Clause: greeting-version, greeting-id, greeting-memory, greeting-peers
// Clause: greeting-own
TEST_F(ClientTest, AWholeGreeting) {
  EXPECT_EQ(Event(0, 0), (ClientEvent{Kind::kVersion}));
  EXPECT_EQ(Event(3, 0), (ClientEvent{Kind::kId, 3}));
  EXPECT_EQ(Event(-1, 1), (ClientEvent{Kind::kMemory}));
  EXPECT_EQ(Event(0, 1), (ClientEvent{Kind::kPeerVector, 0, 0}));
  EXPECT_EQ(Event(0, 1), (ClientEvent{Kind::kPeerVector, 0, 1}));
  EXPECT_EQ(Event(65535, 1), (ClientEvent{Kind::kPeerVector, 65535, 0}));
  EXPECT_EQ(Event(3, 1), (ClientEvent{Kind::kOwnVector, 3, 0}));
  EXPECT_EQ(Event(3, 1), (ClientEvent{Kind::kOwnVector, 3, 1}));
  EXPECT_EQ(Event(4, 1), (ClientEvent{Kind::kPeerVector, 4, 0}));
  EXPECT_EQ(Event(0, 0), (ClientEvent{Kind::kPeerLeft, 0}));
}

// awaited() names the next message of the greeting; joined() once there is
// none; id() once it has come.
TEST_F(ClientTest, WhatIsAwaited) {
  EXPECT_EQ(client_.awaited(), "the protocol version");
  EXPECT_EQ(client_.id(), std::nullopt);
  Event(0, 0);
  EXPECT_EQ(client_.awaited(), "the client's id");
  EXPECT_EQ(client_.id(), std::nullopt);
  Event(7, 0);
  EXPECT_EQ(client_.awaited(), "the shared memory");
  EXPECT_EQ(client_.id(), 7);
  EXPECT_FALSE(client_.joined());
  Event(-1, 1);
  EXPECT_EQ(client_.awaited(), "a notification");
  EXPECT_TRUE(client_.joined());
  EXPECT_EQ(client_.id(), 7);
}

// 1. "The client should close the connection on receipt of versions it can't
// handle."
// Clause: greeting-version
// Fault: flat-version
TEST(ClientVersionTest, IsZero) {
  for (int64_t version :
       {int64_t{1}, int64_t{-1}, std::numeric_limits<int64_t>::max(),
        std::numeric_limits<int64_t>::min()}) {
    Client client;
    const absl::Status status = client.OnMessage(version, 0).status();
    EXPECT_EQ(status, absl::InvalidArgumentError(absl::StrCat(
                          "message 1: expected protocol version 0 without a "
                          "handle, got ",
                          version, " with none")));
    EXPECT_EQ(client.awaited(), "the protocol version");
  }
}

TEST_F(ClientTest, VersionHasNoHandle) {
  EXPECT_EQ(Error(0, 1),
            "message 1: expected protocol version 0 without a handle, got 0 "
            "with 1 handle");
}

// 2. "IDs must be between 0 and 65535."
// Clause: greeting-id
// Fault: flat-ids-cut
TEST(ClientIdTest, Range) {
  for (int id : {0, 1, 65535}) {
    Client client;
    ASSERT_TRUE(client.OnMessage(0, 0).ok());
    EXPECT_EQ(*client.OnMessage(id, 0),
              (ClientEvent{Kind::kId, static_cast<PeerId>(id)}));
    EXPECT_EQ(client.id(), id);
  }
  for (int64_t id : {int64_t{-1}, int64_t{65536}, int64_t{1} << 32}) {
    Client client;
    ASSERT_TRUE(client.OnMessage(0, 0).ok());
    EXPECT_EQ(client.OnMessage(id, 0).status(),
              absl::InvalidArgumentError(absl::StrCat(
                  "message 2: expected the client's id (0..65535 without a "
                  "handle), got ",
                  id, " with none")));
    EXPECT_EQ(client.id(), std::nullopt);
  }
}

TEST_F(ClientTest, IdHasNoHandle) {
  Event(0, 0);
  EXPECT_EQ(Error(3, 1),
            "message 2: expected the client's id (0..65535 without a handle), "
            "got 3 with 1 handle");
}

// Before the id nothing but version and id is understood: a memory or a
// peer's vector in their place is an error.
TEST_F(ClientTest, MemoryBeforeTheId) {
  Event(0, 0);
  EXPECT_EQ(Error(-1, 1),
            "message 2: expected the client's id (0..65535 without a handle), "
            "got -1 with 1 handle");
}

// 3. The memory is "the number -1, accompanied by the file descriptor".
TEST_F(ClientTest, MemoryWithoutHandle) {
  Identify();
  EXPECT_EQ(Error(-1, 0),
            "message 3: expected the shared memory (-1 with 1 handle), got -1 "
            "with none");
  EXPECT_FALSE(client_.joined());
}

TEST_F(ClientTest, MemoryWithTwoHandles) {
  Identify();
  EXPECT_EQ(Error(-1, 2),
            "message 3: expected the shared memory (-1 with 1 handle), got -1 "
            "with 2 handles");
  EXPECT_FALSE(client_.joined());
}

TEST_F(ClientTest, MemoryComesOnce) {
  Join();
  EXPECT_EQ(Error(-1, 1),
            "message 4: expected a notification, as the shared memory has come "
            "before, got -1 with 1 handle");
}

// QEMU's device takes peers, vectors and leavings before the memory, so a
// server may send them; the client has not joined before it has the memory.
// Differs: peers-before-memory
TEST_F(ClientTest, MemoryAfterPeers) {
  Identify();
  EXPECT_EQ(Event(4, 1), (ClientEvent{Kind::kPeerVector, 4, 0}));
  EXPECT_EQ(Event(3, 1), (ClientEvent{Kind::kOwnVector, 3, 0}));
  EXPECT_EQ(Event(4, 0), (ClientEvent{Kind::kPeerLeft, 4}));
  EXPECT_FALSE(client_.joined());
  EXPECT_EQ(client_.awaited(), "the shared memory");
  EXPECT_EQ(Event(-1, 1), (ClientEvent{Kind::kMemory}));
  EXPECT_TRUE(client_.joined());
  EXPECT_EQ(Event(3, 1), (ClientEvent{Kind::kOwnVector, 3, 1}));
}

// 4. "Repeated N times ... vector 0,..,N-1, in order." Each peer counts for
// itself, however the messages are mixed.
// Clause: greeting-peers, greeting-own
TEST_F(ClientTest, VectorsCountUp) {
  Join();
  for (Vector vector = 0; vector < 100; ++vector) {
    for (PeerId peer : {0, 9, 65535}) {
      ASSERT_EQ(Event(peer, 1), (ClientEvent{Kind::kPeerVector, peer, vector}));
    }
    ASSERT_EQ(Event(3, 1), (ClientEvent{Kind::kOwnVector, 3, vector}));
  }
}

// "If the client is configured for fewer vectors, it closes the extra file
// descriptors": no device has more than kMaxVectors.
TEST_F(ClientTest, SurplusVectors) {
  Join();
  for (PeerId peer : {3, 4}) {
    const Kind kind = peer == 3 ? Kind::kOwnVector : Kind::kPeerVector;
    for (int vector = 0; vector < kMaxVectors; ++vector) {
      ASSERT_EQ(Event(peer, 1),
                (ClientEvent{kind, peer, static_cast<Vector>(vector)}));
    }
    for (int i = 0; i < 70000; ++i) {
      ASSERT_EQ(Event(peer, 1), (ClientEvent{Kind::kSurplusVector, peer, 0}));
    }
  }
  EXPECT_EQ(Event(4, 0), (ClientEvent{Kind::kPeerLeft, 4}));
  EXPECT_EQ(Event(4, 1), (ClientEvent{Kind::kPeerVector, 4, 0}));
}

// 6. "Else, it's a disconnection notification for the peer with that ID."
// Clause: notify-connect, notify-disconnect
TEST_F(ClientTest, APeerLeavesAndComesBack) {
  Join();
  Event(4, 1);
  Event(4, 1);
  Event(5, 1);
  EXPECT_EQ(Event(4, 0), (ClientEvent{Kind::kPeerLeft, 4}));
  EXPECT_EQ(Event(4, 1), (ClientEvent{Kind::kPeerVector, 4, 0}));
  EXPECT_EQ(Event(5, 1), (ClientEvent{Kind::kPeerVector, 5, 1}));
  EXPECT_EQ(Event(4, 0), (ClientEvent{Kind::kPeerLeft, 4}));
}

// A peer of which nothing is known may leave, also for the second time.
// Fault: qemu-disconnect-twice
TEST_F(ClientTest, AnUnknownPeerLeaves) {
  Join();
  EXPECT_EQ(Event(4, 0), (ClientEvent{Kind::kUnknownPeerLeft, 4}));
  Event(4, 1);
  EXPECT_EQ(Event(4, 0), (ClientEvent{Kind::kPeerLeft, 4}));
  EXPECT_EQ(Event(4, 0), (ClientEvent{Kind::kUnknownPeerLeft, 4}));
}

// A client is not told of its own leaving, with vectors or without.
// Fault: flat-own-disconnect
TEST_F(ClientTest, TheOwnIdDoesNotLeave) {
  Join();
  EXPECT_EQ(Error(3, 0),
            "message 4: expected a handle with this client's own id, got 3 "
            "with none");
}

// Fault: flat-own-disconnect
TEST_F(ClientTest, TheOwnIdDoesNotLeaveWithVectors) {
  Join();
  Event(3, 1);
  EXPECT_EQ(Error(3, 0),
            "message 5: expected a handle with this client's own id, got 3 "
            "with none");
}

// "A peer ID (number between 0 and 65535)"; only -1 is something else.
// Fault: flat-ids-cut
TEST(ClientNumberTest, Range) {
  for (const bool joined : {false, true}) {
    for (const int64_t number :
         {int64_t{-2}, int64_t{65536}, int64_t{3} + (int64_t{1} << 32),
          std::numeric_limits<int64_t>::min(),
          std::numeric_limits<int64_t>::max()}) {
      for (const size_t handles : {0, 1}) {
        Client client;
        ASSERT_TRUE(client.OnMessage(0, 0).ok());
        ASSERT_TRUE(client.OnMessage(3, 0).ok());
        if (joined) {
          ASSERT_TRUE(client.OnMessage(-1, 1).ok());
        }
        const std::string expected = absl::StrCat(
            joined ? "message 4: expected "
                   : "message 3: expected the shared memory (-1 with 1 handle) "
                     "or ",
            "the id of a peer (0..65535 with at most 1 handle), got ", number,
            handles == 0 ? " with none" : " with 1 handle");
        EXPECT_EQ(client.OnMessage(number, handles).status(),
                  absl::InvalidArgumentError(expected));
      }
    }
  }
}

// A message "may be accompanied by a file descriptor": by one.
TEST(ClientHandlesTest, OneAtMost) {
  struct Case {
    int before;  // How much of the greeting has come.
    int64_t number;
  };
  for (const Case& c : {Case{0, 0}, Case{1, 3}, Case{2, -1}, Case{2, 3},
                        Case{2, 4}, Case{3, -1}, Case{3, 3}, Case{3, 4}}) {
    for (const size_t handles : {2, 3, 253}) {
      Client client;
      if (c.before > 0) {
        ASSERT_TRUE(client.OnMessage(0, 0).ok());
      }
      if (c.before > 1) {
        ASSERT_TRUE(client.OnMessage(3, 0).ok());
      }
      if (c.before > 2) {
        ASSERT_TRUE(client.OnMessage(-1, 1).ok());
      }
      const absl::Status status = client.OnMessage(c.number, handles).status();
      EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
      const std::string end =
          absl::StrCat("got ", c.number, " with ", handles, " handles");
      EXPECT_TRUE(absl::EndsWith(status.message(), end)) << status;
    }
  }
}

// "Both client and server close the connection on error": after one, nothing is
// understood any more, and nothing changes.
// Clause: error-close
TEST_F(ClientTest, AnErrorIsFinal) {
  Identify();
  Event(4, 1);
  const std::string error = Error(70000, 1);
  for (const int64_t number : {-1, 0, 3, 4, 70000}) {
    for (const size_t handles : {0, 1, 2}) {
      EXPECT_EQ(Error(number, handles), error);
    }
  }
  EXPECT_FALSE(client_.joined());
  EXPECT_EQ(client_.awaited(), "the shared memory");
  EXPECT_EQ(client_.id(), 3);
}

// A client that was saved goes on as the other would have: what it knows of
// each peer, and the number of the message.
TEST_F(ClientTest, GoesOnWhereItWasSaved) {
  EXPECT_EQ(client_.Save(), std::nullopt);
  Identify();
  Event(4, 1);
  EXPECT_EQ(client_.Save(), std::nullopt) << "not joined";
  Event(-1, 1);
  Event(5, 1);
  Event(5, 1);
  Event(3, 1);
  const std::optional<ClientState> state = client_.Save();
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(*state,
            (ClientState{
                .id = 3, .messages = 7, .vectors = {{3, 1}, {4, 1}, {5, 2}}}));
  absl::StatusOr<Client> resumed = Client::Resume(*state);
  ASSERT_TRUE(resumed.ok()) << resumed.status();
  EXPECT_TRUE(resumed->joined());
  EXPECT_EQ(resumed->id(), 3);
  EXPECT_EQ(resumed->Save(), state);
  for (const auto& [number, handles] :
       {std::pair<int64_t, size_t>{5, 1}, {3, 1}, {4, 0}, {4, 1}, {6, 0}}) {
    EXPECT_EQ(*resumed->OnMessage(number, handles), Event(number, handles));
  }
  EXPECT_EQ(Error(*resumed, -1, 1), Error(-1, 1));
  EXPECT_EQ(client_.Save(), std::nullopt) << "broken";
}

// "Peers are in the order of their ids", whatever the order of their coming.
TEST_F(ClientTest, SavesPeersInTheirOrder) {
  Join();
  for (PeerId peer = 100; peer > 50; --peer) Event(peer, 1);
  const std::optional<ClientState> state = client_.Save();
  ASSERT_TRUE(state.has_value());
  EXPECT_EQ(state->vectors.size(), 50u);
  EXPECT_TRUE(std::is_sorted(state->vectors.begin(), state->vectors.end()));
}

// What cannot have been saved of a client is an error that names it.
TEST_F(ClientTest, WhatWasNeverSaved) {
  const auto error = [](const ClientState& state) {
    return std::string(Client::Resume(state).status().message());
  };
  EXPECT_EQ(error({.vectors = {{7, 0}}}),
            "vectors of peer 7: expected 1 to 2048, got 0");
  EXPECT_EQ(error({.vectors = {{7, 2049}}}),
            "vectors of peer 7: expected 1 to 2048, got 2049");
  EXPECT_EQ(error({.vectors = {{7, 1}, {7, 2}}}),
            "vectors: expected each peer once, got 7 twice");
}

// A peer that had as many vectors as can be has no other.
TEST_F(ClientTest, APeerWithMostVectorsWasSaved) {
  absl::StatusOr<Client> client = Client::Resume({.vectors = {{7, 2048}}});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(*client->OnMessage(7, 1), (ClientEvent{Kind::kSurplusVector, 7}));
}

// A state that says nothing is that of client 0, which no message has reached.
TEST_F(ClientTest, TheLeastState) {
  absl::StatusOr<Client> client = Client::Resume({});
  ASSERT_TRUE(client.ok()) << client.status();
  EXPECT_EQ(client->id(), 0);
  EXPECT_TRUE(absl::StartsWith(Error(*client, -1, 1), "message 1: "));
}

// The error counts the messages from 1.
TEST_F(ClientTest, AnErrorNamesTheMessage) {
  Join();
  for (int i = 0; i < 1000; ++i) Event(4, i % 2);
  EXPECT_EQ(Error(3, 0),
            "message 1004: expected a handle with this client's own id, got 3 "
            "with none");
}

}  // namespace
}  // namespace ivshmem::protocol
