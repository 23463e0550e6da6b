// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/protocol/id_pool.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/doorbell.h"
#include "gtest/gtest.h"

namespace ivshmem::protocol {

void PrintTo(const IdPool::Holding& holding, std::ostream* out) {
  *out << holding.id << " of '" << holding.owner << "'";
}

namespace {

using Holdings = std::vector<IdPool::Holding>;

// Seconds of a clock.
absl::Time At(int second) { return absl::FromUnixSeconds(second); }

// Nobody gets the lowest id that is neither in use nor kept.
// Differs: lowest-free-id
TEST(IdPoolTest, LowestFirst) {
  IdPool pool(4);
  EXPECT_EQ(pool.Take("", At(0)), 0);
  EXPECT_EQ(pool.Take("ann", At(0)), 1);
  EXPECT_EQ(pool.Take("", At(0)), 2);
  pool.Release(0, At(9));
  pool.Release(1, At(9));
  pool.Release(2, At(9));
  EXPECT_EQ(pool.Take("", At(0)), 0);
  EXPECT_EQ(pool.Take("bob", At(0)), 2);
  EXPECT_EQ(pool.Take("", At(0)), 3);
}

// Ids are 0..size-1, of which no two have the same; nullopt when all are used.
TEST(IdPoolTest, AllInUse) {
  IdPool pool(kMaxPeers);
  for (int id = 0; id < kMaxPeers; ++id) ASSERT_EQ(pool.Take("", At(0)), id);
  EXPECT_EQ(pool.Take("", At(0)), std::nullopt);
  EXPECT_EQ(pool.Take("ann", At(0)), std::nullopt);
  EXPECT_EQ(pool.in_use(), kMaxPeers);
  pool.Release(65535, At(0));
  EXPECT_EQ(pool.Take("ann", At(0)), 65535);
}

// Who got none leaves nothing behind.
TEST(IdPoolTest, NothingForAnOwnerThatGotNone) {
  IdPool pool(1);
  EXPECT_EQ(pool.Take("", At(0)), 0);
  EXPECT_EQ(pool.Take("ann", At(0)), std::nullopt);
  pool.Release(0, At(0));
  EXPECT_EQ(pool.Take("ann", At(0)), 0);
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, "ann"}}));
}

// An owner that comes back gets the id that is kept for it.
TEST(IdPoolTest, AnOwnerComesBack) {
  IdPool pool(4);
  pool.Take("", At(0));
  EXPECT_EQ(pool.Take("ann", At(0)), 1);
  EXPECT_EQ(pool.Take("bob", At(0)), 2);
  pool.Release(0, At(0));
  for (int i = 0; i < 3; ++i) {
    pool.Release(1, At(9));
    pool.Release(2, At(9));
    EXPECT_EQ(pool.Take("bob", At(8)), 2);
    EXPECT_EQ(pool.Take("ann", At(8)), 1);
  }
}

// An id is kept as long as it is before `keep_until`.
TEST(IdPoolTest, KeepingEnds) {
  for (const bool in_time : {true, false}) {
    IdPool pool(3);
    pool.Take("ann", At(0));
    pool.Release(0, At(9));
    EXPECT_EQ(pool.Take("", At(in_time ? 8 : 9)), in_time ? 1 : 0);
    EXPECT_EQ(pool.Take("ann", At(9)), in_time ? 0 : 1);
  }
}

TEST(IdPoolTest, AnOwnerWhoseKeepingEndedIsServedAsNew) {
  IdPool pool(3);
  pool.Take("", At(0));
  EXPECT_EQ(pool.Take("ann", At(0)), 1);
  pool.Release(0, At(0));
  pool.Release(1, At(9));
  EXPECT_EQ(pool.Take("ann", At(9)), 0);
  pool.Release(0, At(99));
  EXPECT_EQ(pool.Take("ann", At(10)), 0);
}

// When none is free, the keeping that would end first ends now; its owner is
// served as new.
TEST(IdPoolTest, TheFirstToEndGivesWay) {
  IdPool pool(3);
  pool.Take("ann", At(0));
  pool.Take("bob", At(0));
  pool.Take("cid", At(0));
  pool.Release(0, At(30));
  pool.Release(1, At(10));
  pool.Release(2, At(20));
  EXPECT_EQ(pool.Take("dot", At(0)), 1);
  EXPECT_EQ(pool.Take("bob", At(0)), 2);
  EXPECT_EQ(pool.Take("", At(0)), 0);
  EXPECT_EQ(pool.Take("ann", At(0)), std::nullopt);
  pool.Release(1, At(10));
  EXPECT_EQ(pool.Take("cid", At(0)), 1);
}

// An owner whose keeping ended is a new one, with an id of its own again.
TEST(IdPoolTest, AnOwnerThatGaveWayIsKeptForAgain) {
  IdPool pool(1);
  pool.Take("ann", At(0));
  pool.Release(0, At(9));
  pool.Take("", At(0));
  pool.Release(0, At(9));
  EXPECT_EQ(pool.Take("ann", At(0)), 0);
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, "ann"}}));
}

// To keep an id is a courtesy: as long as an id is free, it is not ended.
TEST(IdPoolTest, KeptAsLongAsAnIdIsFree) {
  IdPool pool(2);
  pool.Take("ann", At(0));
  pool.Release(0, At(9));
  EXPECT_EQ(pool.Take("bob", At(0)), 1);
  EXPECT_EQ(pool.Take("ann", At(0)), 0);
}

// An owner that has an id in use already is served as nobody: that id is free
// at once, and the first stays the owner's.
TEST(IdPoolTest, AnOwnerComesTwice) {
  IdPool pool(3);
  EXPECT_EQ(pool.Take("ann", At(0)), 0);
  EXPECT_EQ(pool.Take("ann", At(0)), 1);
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, "ann"}, {1, ""}}));
  pool.Release(0, At(9));
  pool.Release(1, At(9));
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, "ann"}}));
  EXPECT_EQ(pool.Take("ann", At(0)), 0);
}

// Nobody is never known again.
TEST(IdPoolTest, NobodyIsNobodyElse) {
  IdPool pool(3);
  EXPECT_EQ(pool.Take("", At(0)), 0);
  EXPECT_EQ(pool.Take("", At(0)), 1);
  pool.Release(1, At(9));
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, ""}}));
  pool.Release(0, At(9));
  EXPECT_EQ(pool.Take("", At(0)), 0);
}

// Release() of an id that is not in use does nothing.
TEST(IdPoolTest, ReleaseOfWhatIsNotInUse) {
  IdPool pool(2);
  pool.Take("ann", At(0));
  pool.Release(0, At(9));
  for (const PeerId id : {0, 1, 2, 65535}) pool.Release(id, At(99));
  EXPECT_EQ(pool.Holdings(At(8)), (Holdings{{0, "ann"}}));
  EXPECT_EQ(pool.Holdings(At(9)), Holdings{});
  EXPECT_EQ(pool.Take("", At(8)), 1);
  EXPECT_EQ(pool.Take("ann", At(8)), 0);
  EXPECT_EQ(pool.Take("", At(8)), std::nullopt);
}

TEST(IdPoolTest, OwnedBy) {
  IdPool pool(4);
  pool.Take("", At(0));
  pool.Take("ann", At(0));
  pool.Keep({3, "bob"}, At(9));
  EXPECT_EQ(pool.OwnedBy("ann"), 1);
  EXPECT_EQ(pool.OwnedBy("bob"), 3);
  EXPECT_EQ(pool.OwnedBy("cid"), std::nullopt);
  EXPECT_EQ(pool.OwnedBy(""), std::nullopt);
  pool.Disown(1);
  EXPECT_EQ(pool.OwnedBy("ann"), std::nullopt);
}

// Disown(): the id stays in use, its owner is served as new.
TEST(IdPoolTest, Disown) {
  IdPool pool(4);
  pool.Take("ann", At(0));
  pool.Take("bob", At(0));
  pool.Disown(0);
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, ""}, {1, "bob"}}));
  EXPECT_EQ(pool.Take("ann", At(0)), 2);
  pool.Release(0, At(9));
  pool.Release(2, At(9));
  EXPECT_EQ(pool.Take("", At(0)), 0);
  EXPECT_EQ(pool.Take("ann", At(0)), 2);
}

TEST(IdPoolTest, DisownOfWhatIsNotInUse) {
  IdPool pool(4);
  pool.Take("ann", At(0));
  pool.Release(0, At(9));
  for (const PeerId id : {0, 1, 65535}) pool.Disown(id);
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, "ann"}}));
}

// Keep(): as if the owner had been given that id and then left it.
TEST(IdPoolTest, KeepForAnOwner) {
  IdPool pool(3);
  EXPECT_TRUE(pool.Keep({2, "ann"}, At(9)));
  EXPECT_TRUE(pool.Keep({0, "bob"}, At(9)));
  EXPECT_EQ(pool.in_use(), 0);
  EXPECT_EQ(pool.Holdings(At(8)), (Holdings{{0, "bob"}, {2, "ann"}}));
  EXPECT_EQ(pool.Take("cid", At(8)), 1);
  EXPECT_EQ(pool.Take("ann", At(8)), 2);
  EXPECT_EQ(pool.Take("", At(9)), 0);
}

// Nobody's is kept too: its guest may still be known under it. Nobody gets it
// back by name.
TEST(IdPoolTest, KeepForNobody) {
  IdPool pool(4);
  EXPECT_TRUE(pool.Keep({0, ""}, At(9)));
  EXPECT_TRUE(pool.Keep({1, ""}, At(7)));
  EXPECT_EQ(pool.Holdings(At(0)), (Holdings{{0, ""}, {1, ""}}));
  EXPECT_EQ(pool.Take("", At(6)), 2);
  EXPECT_EQ(pool.Take("", At(7)), 1);
  EXPECT_EQ(pool.Take("", At(7)), 3);
  EXPECT_EQ(pool.Take("", At(7)), 0);
}

// Keep() of what cannot be kept returns false and changes nothing.
TEST(IdPoolTest, KeepRefuses) {
  IdPool pool(5);
  pool.Take("ann", At(0));
  EXPECT_TRUE(pool.Keep({1, "bob"}, At(9)));
  const Holdings before = pool.Holdings(At(0));
  EXPECT_FALSE(pool.Keep({5, "cid"}, At(9))) << "not one of the pool's";
  EXPECT_FALSE(pool.Keep({65535, "cid"}, At(9))) << "not one of the pool's";
  EXPECT_FALSE(pool.Keep({0, "cid"}, At(9))) << "in use";
  EXPECT_FALSE(pool.Keep({1, "cid"}, At(99))) << "kept already";
  EXPECT_FALSE(pool.Keep({1, ""}, At(99))) << "kept already";
  EXPECT_FALSE(pool.Keep({2, "ann"}, At(9))) << "has one in use";
  EXPECT_FALSE(pool.Keep({2, "bob"}, At(9))) << "has another kept";
  EXPECT_EQ(pool.Holdings(At(0)), before);
  EXPECT_EQ(pool.Holdings(At(9)), (Holdings{{0, "ann"}}));
  EXPECT_EQ(pool.Take("cid", At(0)), 2);
}

// Holdings(): all that is in use or still kept, by id, with its owner.
TEST(IdPoolTest, HoldingsById) {
  IdPool pool(5);
  pool.Keep({4, "dot"}, At(9));
  pool.Keep({2, ""}, At(5));
  pool.Take("ann", At(0));
  pool.Take("", At(0));
  pool.Take("cid", At(0));
  pool.Release(0, At(7));
  EXPECT_EQ(pool.Holdings(At(4)),
            (Holdings{{0, "ann"}, {1, ""}, {2, ""}, {3, "cid"}, {4, "dot"}}));
  EXPECT_EQ(pool.Holdings(At(5)),
            (Holdings{{0, "ann"}, {1, ""}, {3, "cid"}, {4, "dot"}}));
  EXPECT_EQ(pool.Holdings(At(7)), (Holdings{{1, ""}, {3, "cid"}, {4, "dot"}}));
  EXPECT_EQ(pool.Holdings(At(9)), (Holdings{{1, ""}, {3, "cid"}}));
}

// A server that starts again with what it held gives each owner its id.
TEST(IdPoolTest, ARestart) {
  Holdings held;
  {
    IdPool pool(4);
    pool.Take("ann", At(0));
    pool.Take("", At(0));
    pool.Take("cid", At(0));
    pool.Release(2, At(9));
    held = pool.Holdings(At(1));
  }
  IdPool pool(4);
  for (const IdPool::Holding& holding : held) {
    EXPECT_TRUE(pool.Keep(holding, At(20)));
  }
  EXPECT_EQ(pool.Take("cid", At(2)), 2);
  EXPECT_EQ(pool.Take("ann", At(2)), 0);
  EXPECT_EQ(pool.Take("", At(2)), 3);
}

TEST(IdPoolTest, InUse) {
  IdPool pool(2);
  EXPECT_EQ(pool.in_use(), 0);
  pool.Take("ann", At(0));
  pool.Take("", At(0));
  EXPECT_EQ(pool.in_use(), 2);
  pool.Take("", At(0));
  EXPECT_EQ(pool.in_use(), 2);
  pool.Release(0, At(9));
  EXPECT_EQ(pool.in_use(), 1);
}

}  // namespace
}  // namespace ivshmem::protocol
