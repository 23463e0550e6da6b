// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The server's half of the specification's "Client-Server Protocol". A message
// is written as its number, "+" and a vector when that one's handle goes with
// it, "+memory" when the memory does: "0 3 -1+memory 3+0 3+1".

#include "core/protocol/roster.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "core/doorbell.h"
#include "gtest/gtest.h"

namespace ivshmem::protocol {
namespace {

constexpr size_t kAll = std::numeric_limits<size_t>::max();

std::string Text(absl::Span<const Outgoing> messages) {
  std::string text;
  for (const Outgoing& message : messages) {
    absl::StrAppend(&text, text.empty() ? "" : " ", message.number);
    if (message.handle == Outgoing::Handle::kMemory) text += "+memory";
    if (message.handle == Outgoing::Handle::kVector) {
      absl::StrAppend(&text, "+", message.vector);
    }
  }
  return text;
}

// What `client` is to be sent next, at most `room` messages.
std::string Peek(Roster& roster, PeerId client, size_t room = 100) {
  std::vector<Outgoing> out(room);
  const size_t count = roster.Peek(client, absl::MakeSpan(out));
  EXPECT_LE(count, room);
  return Text(absl::MakeConstSpan(out).first(std::min(count, room)));
}

// As Peek(), of messages which are sent.
std::string Send(Roster& roster, PeerId client, size_t room = 100) {
  std::string text = Peek(roster, client, room);
  roster.Sent(client, room);
  return text;
}

// A client is told of version, id and memory ("in order": 1., 2., 3.) and of
// itself (5.).
TEST(RosterTest, GreetingOfTheFirst) {
  Roster roster(2);
  EXPECT_TRUE(roster.Join(3));
  EXPECT_EQ(Send(roster, 3), "0 3 -1+memory 3+0 3+1");
  EXPECT_EQ(Peek(roster, 3), "");
}

// Before itself, of the clients that were there when it came, in the order of
// their coming (4.).
TEST(RosterTest, GreetingOfAnother) {
  Roster roster(2);
  roster.Join(9);
  roster.Join(65535);
  roster.Join(0);
  roster.Join(5);
  EXPECT_EQ(Send(roster, 5),
            "0 5 -1+memory 9+0 9+1 65535+0 65535+1 0+0 0+1 5+0 5+1");
}

// Then of comings and goings (6.), in their order.
TEST(RosterTest, ComingsAndGoings) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  Send(roster, 1);
  roster.Join(7);
  roster.Leave(2);
  roster.Join(4);
  EXPECT_EQ(Send(roster, 1), "7+0 7+1 2 4+0 4+1");
}

// Those who came while it was still greeted are told after itself, wherever
// the greeting was.
TEST(RosterTest, AComingDuringTheGreeting) {
  const std::string greeting = "0 5 -1+memory 1+0 5+0";
  for (size_t sent = 0; sent <= 5; ++sent) {
    Roster roster(1);
    roster.Join(1);
    roster.Join(5);
    std::string all = Send(roster, 5, sent);
    roster.Join(2);
    absl::StrAppend(&all, sent == 0 ? "" : " ", Send(roster, 5));
    EXPECT_EQ(all, greeting + " 2+0") << sent;
  }
}

// Nobody is told of the own coming twice or the own leaving at all, also when
// its id had another before.
TEST(RosterTest, AnIdIsGivenAgain) {
  Roster roster(1);
  roster.Join(1);
  roster.Join(2);
  Send(roster, 1);
  Send(roster, 2);
  roster.Leave(2);
  roster.Join(2);
  EXPECT_EQ(Send(roster, 2), "0 2 -1+memory 1+0 2+0");
}

// Of several changes of one id, only what brings the client up to date: "gone"
// if it knew the old one, then the new one.
TEST(RosterTest, AKnownPeerComesBack) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  Send(roster, 1);
  for (int i = 0; i < 1000; ++i) {
    roster.Leave(2);
    roster.Join(2);
  }
  EXPECT_EQ(roster.Owed(1), 3u);
  EXPECT_EQ(Send(roster, 1), "2 2+0 2+1");
}

TEST(RosterTest, AKnownPeerComesBackAndGoes) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  Send(roster, 1);
  roster.Leave(2);
  roster.Join(2);
  roster.Leave(2);
  EXPECT_EQ(Send(roster, 1), "2");
}

// A peer that came and went meanwhile costs nothing at all.
TEST(RosterTest, AnUnknownPeerComesAndGoes) {
  Roster roster(2);
  roster.Join(1);
  Send(roster, 1);
  roster.Join(2);
  roster.Leave(2);
  EXPECT_EQ(roster.Owed(1), 0u);
  EXPECT_EQ(Send(roster, 1), "");
  roster.Join(2);
  roster.Leave(2);
  roster.Join(2);
  EXPECT_EQ(Send(roster, 1), "2+0 2+1");
}

// What counts is the latest change of each: an id that changed again moves
// behind what changed meanwhile.
TEST(RosterTest, TheLatestChangeGivesTheOrder) {
  Roster roster(1);
  roster.Join(1);
  Send(roster, 1);
  roster.Join(2);
  roster.Join(3);
  roster.Leave(2);
  roster.Join(2);
  EXPECT_EQ(Send(roster, 1), "3+0 2+0");
}

// A peer of which some vectors were told is known: when it goes, the rest is
// not told, but that it went is. The handles of a later one are all new.
TEST(RosterTest, APeerGoesHalfTold) {
  Roster roster(3);
  roster.Join(1);
  Send(roster, 1);
  roster.Join(2);
  EXPECT_EQ(Send(roster, 1, 2), "2+0 2+1");
  roster.Leave(2);
  EXPECT_EQ(Peek(roster, 1), "2");
  roster.Join(2);
  EXPECT_EQ(Send(roster, 1), "2 2+0 2+1 2+2");
}

// When only "gone" was told of a peer that came back and it goes again, there
// is nothing to tell.
TEST(RosterTest, APeerGoesAgainAfterGoneWasTold) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  Send(roster, 1);
  roster.Leave(2);
  roster.Join(2);
  EXPECT_EQ(Send(roster, 1, 1), "2");
  roster.Leave(2);
  EXPECT_EQ(Send(roster, 1), "");
  roster.Join(2);
  EXPECT_EQ(Send(roster, 1), "2+0 2+1");
}

// Each client is told for itself.
TEST(RosterTest, ASlowClientHoldsUpNobody) {
  Roster roster(1);
  roster.Join(1);
  roster.Join(2);
  roster.Join(3);
  Send(roster, 1);
  Send(roster, 2, 4);
  roster.Leave(3);
  EXPECT_EQ(Send(roster, 1), "3");
  EXPECT_EQ(Send(roster, 2), "2+0");
}

// Peek() changes nothing, and gives as many as there is room for.
TEST(RosterTest, PeekGivesTheSameUntilSent) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  EXPECT_EQ(Peek(roster, 2, 0), "");
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(Peek(roster, 2, 4), "0 2 -1+memory 1+0");
    EXPECT_EQ(Peek(roster, 2, 1), "0");
    EXPECT_EQ(Peek(roster, 2), "0 2 -1+memory 1+0 1+1 2+0 2+1");
  }
}

// Sent() takes the first of what Peek() gave, also without a Peek().
TEST(RosterTest, SentInPieces) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  for (const char* next :
       {"0", "2", "-1+memory", "1+0", "1+1", "2+0", "2+1", ""}) {
    EXPECT_EQ(Peek(roster, 2, 1), next);
    roster.Sent(2, 0);
    EXPECT_EQ(Peek(roster, 2, 1), next);
    roster.Sent(2, 1);
  }
  roster.Sent(1, 4);
  EXPECT_EQ(Peek(roster, 1), "1+1 2+0 2+1");
}

// More than the client is owed counts as all of it, once.
TEST(RosterTest, MoreSentThanOwed) {
  Roster roster(2);
  roster.Join(1);
  roster.Sent(1, kAll);
  EXPECT_EQ(Peek(roster, 1), "");
  roster.Sent(1, kAll);
  roster.Join(2);
  EXPECT_EQ(Peek(roster, 1), "2+0 2+1");
}

// Owed() is how many messages Peek() would give.
TEST(RosterTest, OwedCountsMessages) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  for (uint64_t owed = 7; owed > 0; --owed) {
    EXPECT_EQ(roster.Owed(1), owed);
    roster.Sent(1, 1);
  }
  EXPECT_EQ(roster.Owed(1), 0u);
  roster.Leave(2);
  EXPECT_EQ(roster.Owed(1), 1u);
}

// Join() returns false, and nothing changes, if another has that id.
TEST(RosterTest, AnIdInUse) {
  Roster roster(1);
  EXPECT_TRUE(roster.Join(1));
  EXPECT_TRUE(roster.Join(2));
  Send(roster, 1);
  Send(roster, 2);
  EXPECT_FALSE(roster.Join(1));
  EXPECT_EQ(roster.size(), 2u);
  EXPECT_EQ(roster.Owed(1), 0u);
  EXPECT_EQ(roster.Owed(2), 0u);
}

// What is asked about somebody who is not there: nothing.
TEST(RosterTest, NoSuchClient) {
  Roster roster(1);
  roster.Join(1);
  for (const PeerId id : {0, 2, 65535}) {
    roster.Leave(id);
    roster.Sent(id, kAll);
    EXPECT_FALSE(roster.Has(id));
    EXPECT_EQ(Peek(roster, id), "");
    EXPECT_EQ(roster.Owed(id), 0u);
  }
  EXPECT_EQ(roster.size(), 1u);
  EXPECT_EQ(Peek(roster, 1), "0 1 -1+memory 1+0");
}

TEST(RosterTest, HasAndSize) {
  Roster roster(1);
  EXPECT_EQ(roster.size(), 0u);
  roster.Join(65535);
  EXPECT_TRUE(roster.Has(65535));
  EXPECT_FALSE(roster.Has(0));
  EXPECT_EQ(roster.size(), 1u);
  roster.Leave(65535);
  EXPECT_FALSE(roster.Has(65535));
  EXPECT_EQ(roster.size(), 0u);
}

// Who is gone is remembered until the last who was told of it is told that it
// is gone, or has gone as well.
TEST(RosterTest, TheGoneAreForgotten) {
  Roster roster(1);
  for (const PeerId id : {1, 2, 3, 4}) roster.Join(id);
  Send(roster, 1);
  Send(roster, 2);
  roster.Leave(4);
  EXPECT_EQ(roster.remembered(), 4u);
  Send(roster, 1);
  EXPECT_EQ(roster.remembered(), 4u);
  roster.Leave(2);  // Of which 1 was told; 4 was told to it alone by now.
  EXPECT_EQ(roster.remembered(), 3u);
  Send(roster, 1);
  EXPECT_EQ(roster.remembered(), 2u);
}

// Who was told to nobody is forgotten at once.
TEST(RosterTest, WhoWasNeverToldIsForgotten) {
  Roster roster(1);
  roster.Join(1);
  Send(roster, 1);
  roster.Join(2);
  EXPECT_EQ(roster.remembered(), 2u);
  roster.Leave(2);
  EXPECT_EQ(roster.remembered(), 1u);
  roster.Leave(1);  // Which was told of itself.
  EXPECT_EQ(roster.remembered(), 0u);
}

// However long a client reads nothing, it costs as much as there are ids.
TEST(RosterTest, ASlowClientCostsABit) {
  Roster roster(8);
  roster.Join(0);
  for (int round = 0; round < 100; ++round) {
    for (PeerId id = 1; id <= 50; ++id) {
      roster.Join(id);
      roster.Sent(0, round % 10);
    }
    for (PeerId id = 1; id <= 50; ++id) roster.Leave(id);
    EXPECT_LE(roster.remembered(), 51u);
    EXPECT_LE(roster.Owed(0), 3u + 8u + 50u);
  }
}

// All ids: the last come is told of all the others.
TEST(RosterTest, AllIds) {
  Roster roster(1);
  for (int id = 0; id < kMaxPeers; ++id) {
    ASSERT_TRUE(roster.Join(static_cast<PeerId>(id)));
  }
  EXPECT_EQ(roster.size(), size_t{kMaxPeers});
  EXPECT_EQ(roster.Owed(65535), 3u + kMaxPeers);
  roster.Sent(65535, 3 + kMaxPeers - 2);
  EXPECT_EQ(Peek(roster, 65535), "65534+0 65535+0");
}

TEST(RosterTest, MostVectors) {
  Roster roster(kMaxVectors);
  roster.Join(1);
  roster.Join(2);
  EXPECT_EQ(roster.Owed(2), 3u + 2 * kMaxVectors);
  roster.Sent(2, 3 + kMaxVectors - 1);
  EXPECT_EQ(Peek(roster, 2, 2), "1+2047 2+0");
}

}  // namespace
}  // namespace ivshmem::protocol
