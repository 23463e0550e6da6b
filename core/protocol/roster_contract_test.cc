// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the roster's functions promise, one by one, and what it remembers.

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <new>

#include "absl/types/span.h"
#include "core/doorbell.h"
#include "core/protocol/roster.h"
#include "core/protocol/roster_text.h"
#include "gtest/gtest.h"

namespace {
uint64_t allocations = 0;
}  // namespace

// Counts, so that a test can say what costs no memory.
void* operator new(size_t size) {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ivshmem::protocol {
namespace {

constexpr size_t kAll = std::numeric_limits<size_t>::max();

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

// A message with no vector's handle names no vector.
TEST(RosterTest, MessagesSayNothingElse) {
  Roster roster(1);
  roster.Join(3);
  std::array<Outgoing, 3> greeting;
  ASSERT_EQ(roster.Peek(3, absl::MakeSpan(greeting)), greeting.size());
  for (const Outgoing& message : greeting) EXPECT_EQ(message.vector, 0);
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

// Who returns is greeted anew, and told of itself after all who are there; the
// others hear nothing, unless they had not been told of it yet.
TEST(RosterTest, OneReturns) {
  Roster roster(2);
  roster.Join(1);
  roster.Join(2);
  Send(roster, 1);
  Send(roster, 2);
  EXPECT_TRUE(roster.Return(1));
  EXPECT_EQ(roster.size(), 2u);
  EXPECT_EQ(roster.Owed(2), 0u);
  EXPECT_EQ(roster.Owed(1), 7u);
  roster.Join(3);
  EXPECT_EQ(Peek(roster, 1), "0 1 -1+memory 2+0 2+1 1+0 1+1 3+0 3+1");
  roster.Sent(1, 4);
  EXPECT_TRUE(roster.Return(1));
  EXPECT_EQ(Peek(roster, 1), "0 1 -1+memory 2+0 2+1 3+0 3+1 1+0 1+1");
  EXPECT_EQ(Peek(roster, 3), "0 3 -1+memory 1+0 1+1 2+0 2+1 3+0 3+1");
}

// What is asked about somebody who is not there: nothing.
TEST(RosterTest, NoSuchClient) {
  Roster roster(1);
  roster.Join(1);
  for (const PeerId id : {0, 2, 65535}) {
    roster.Leave(id);
    EXPECT_FALSE(roster.Return(id));
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

// It costs a bit for each peer that a client was told of. A greeting tells of
// none, whatever its numbers are.
TEST(RosterTest, AGreetingCostsNothing) {
  Roster roster(1);
  roster.Join(1);
  const uint64_t before = allocations;
  roster.Sent(1, 3);
  EXPECT_EQ(allocations, before);
  roster.Sent(1, 1);
  EXPECT_GT(allocations, before) << "the count counts";
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

// Of many, the later half has gone, others came after them, and all of it is
// sent at once: who has gone is forgotten one by one meanwhile, and nothing is
// told twice or not.
TEST(RosterTest, ManyAreForgottenInOneBatch) {
  constexpr int kStay = 1000;
  constexpr int kGo = 1000;
  Roster roster(1);
  for (int id = 0; id < kStay + kGo; ++id) {
    roster.Join(static_cast<PeerId>(id));
  }
  roster.Sent(0, kAll);
  for (int id = kStay; id < kStay + kGo; ++id) {
    roster.Leave(static_cast<PeerId>(id));
  }
  roster.Join(2001);
  roster.Join(2002);
  EXPECT_EQ(roster.remembered(), kStay + kGo + 2u);
  roster.Sent(0, kGo - 1);
  EXPECT_EQ(roster.remembered(), kStay + 1 + 2u);
  EXPECT_EQ(Peek(roster, 0), "1999 2001+0 2002+0");
  roster.Sent(0, 2);
  EXPECT_EQ(roster.remembered(), kStay + 2u);
  EXPECT_EQ(Peek(roster, 0), "2002+0");
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
