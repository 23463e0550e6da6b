// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The server's half of the specification's "Client-Server Protocol": who is
// told what, in which order.

#include "core/protocol/roster.h"

#include <cstddef>
#include <string>

#include "absl/strings/str_cat.h"
#include "core/protocol/roster_text.h"
#include "gtest/gtest.h"

namespace ivshmem::protocol {
namespace {

// A client is told of version, id and memory ("in order": 1., 2., 3.) and of
// itself (5.).
// Clause: greeting-version, greeting-id, greeting-memory, greeting-own
TEST(RosterTest, GreetingOfTheFirst) {
  Roster roster(2);
  EXPECT_TRUE(roster.Join(3));
  EXPECT_EQ(Send(roster, 3), "0 3 -1+memory 3+0 3+1");
  EXPECT_EQ(Peek(roster, 3), "");
}

// Before itself, of the clients that were there when it came, in the order of
// their coming (4.).
// Clause: greeting-peers
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
// Clause: notify-connect, notify-disconnect
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

}  // namespace
}  // namespace ivshmem::protocol
