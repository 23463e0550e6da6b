// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/ids.h"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/doorbell.h"
#include "core/protocol/id_pool.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::server {
namespace {

using Holding = protocol::IdPool::Holding;

// Seconds of a clock.
absl::Time At(int second) { return absl::FromUnixSeconds(second); }

// While nobody goes, and when all have gone: 0, 1, 2.
TEST(IdsTest, LowestFirst) {
  Ids ids(8);
  for (int round = 0; round < 2; ++round) {
    for (PeerId id = 0; id < 3; ++id) {
      EXPECT_EQ(ids.Give("", true, At(round)), id);
    }
    for (PeerId id = 0; id < 3; ++id) ids.TakeBack(id, At(round), At(0));
  }
}

// "An id whose client has gone rests until all fragile ones that were there
// then have gone too."
TEST(IdsTest, AnIdRestsWhileFragileClientsKnowIt) {
  Ids ids(8);
  EXPECT_EQ(ids.Give("", true, At(0)), 0);
  EXPECT_EQ(ids.Give("", true, At(1)), 1);
  EXPECT_EQ(ids.Give("", true, At(2)), 2);
  ids.TakeBack(1, At(3), At(3));
  EXPECT_EQ(ids.Give("", true, At(4)), 3);
  ids.TakeBack(0, At(5), At(5));
  EXPECT_EQ(ids.Give("", true, At(6)), 4) << "2 was there when 0 and 1 went";
  ids.TakeBack(2, At(7), At(7));
  EXPECT_EQ(ids.Give("", true, At(8)), 1) << "3 came after it had gone";
  EXPECT_EQ(ids.Give("", true, At(8)), 5);
}

// Nobody says what of two things at the same moment was first.
TEST(IdsTest, AtTheSameMoment) {
  Ids ids(8);
  EXPECT_EQ(ids.Give("ann", false, At(0)), 0);
  EXPECT_EQ(ids.Give("", true, At(1)), 1);
  ids.TakeBack(0, At(1), At(1));
  EXPECT_EQ(ids.Give("", true, At(1)), 2);
}

// A client that is not fragile takes an id that comes again for what it is,
// named or not.
TEST(IdsTest, AnIdComesAgainAtOnceWhereNobodyIsFragile) {
  Ids ids(8);
  for (PeerId id = 0; id < 3; ++id) EXPECT_EQ(ids.Give("", false, At(0)), id);
  ids.TakeBack(1, At(1), At(1));
  EXPECT_EQ(ids.Give("", false, At(1)), 1);
}

TEST(IdsTest, TheFragileOneThatGoesIsNoObstacle) {
  Ids ids(8);
  EXPECT_EQ(ids.Give("ann", false, At(0)), 0);
  EXPECT_EQ(ids.Give("", true, At(0)), 1);
  ids.TakeBack(1, At(1), At(1));
  EXPECT_EQ(ids.Give("", true, At(2)), 1);
}

// An owner's id is kept for it, but not given while a fragile one knows it:
// then it gets another, which is its own from then on.
TEST(IdsTest, AnOwnerComesBack) {
  Ids ids(8);
  EXPECT_EQ(ids.Give("ann", false, At(0)), 0);
  ids.TakeBack(0, At(1), At(99));
  EXPECT_EQ(ids.Give("", true, At(2)), 1);
  EXPECT_EQ(ids.Give("ann", false, At(3)), 0) << "the other came after it went";
  ids.TakeBack(0, At(4), At(99));
  EXPECT_EQ(ids.Holdings(At(5)), (std::vector<Holding>{{0, "ann"}, {1, ""}}))
      << "what a restarted server keeps";
  EXPECT_EQ(ids.Give("ann", false, At(5)), 2);
  ids.TakeBack(1, At(6), At(6));
  ids.TakeBack(2, At(6), At(99));
  EXPECT_EQ(ids.Give("ann", false, At(7)), 2);
  EXPECT_EQ(ids.Give("", true, At(8)), 0);
}

// One that comes twice is served, and the first keeps its id.
TEST(IdsTest, AnOwnerComesTwice) {
  Ids ids(8);
  EXPECT_EQ(ids.Give("ann", false, At(0)), 0);
  EXPECT_EQ(ids.Give("ann", false, At(0)), 1);
  EXPECT_EQ(ids.Give("", true, At(0)), 2);
  ids.TakeBack(1, At(1), At(99));
  EXPECT_EQ(ids.Give("ann", false, At(2)), 3);
  EXPECT_EQ(ids.Holdings(At(3))[0].owner, "ann");
}

// After a restart nobody is there, so owners get what was kept for them.
TEST(IdsTest, KeptFromBefore) {
  Ids ids(8);
  EXPECT_TRUE(ids.Keep({1, "ann"}, At(99)));
  EXPECT_FALSE(ids.Keep({1, "bob"}, At(99)));
  EXPECT_EQ(ids.Give("", true, At(1)), 0);
  EXPECT_EQ(ids.Give("", true, At(1)), 2);
  EXPECT_EQ(ids.Give("ann", false, At(2)), 1);
}

TEST(IdsTest, TakesBackWhatItGaveOnly) {
  Ids ids(8);
  ids.TakeBack(0, At(0), At(99));
  EXPECT_EQ(ids.Give("", true, At(0)), 0);
  ids.TakeBack(0, At(1), At(1));
  ids.TakeBack(0, At(1), At(1));
  EXPECT_EQ(ids.Give("", true, At(2)), 0);
  EXPECT_EQ(ids.Give("", true, At(2)), 1);
}

TEST(IdsTest, AllGiven) {
  Ids ids(3);
  for (PeerId id = 0; id < 3; ++id) EXPECT_EQ(ids.Give("", true, At(0)), id);
  ids.TakeBack(1, At(1), At(1));
  EXPECT_EQ(ids.Give("", true, At(2)), std::nullopt) << "others know it";
  for (PeerId id = 0; id < 3; ++id) ids.TakeBack(id, At(3), At(3));
  EXPECT_EQ(ids.Give("", true, At(4)), 0);
}

// Whatever comes and goes: no two clients have the same id, and no fragile one
// sees one come again that it saw go.
RC_GTEST_PROP(IdsTest, NoFragileClientSeesAnIdTwice, ()) {
  struct Client {
    std::string owner;
    std::set<PeerId> seen;
  };
  Ids ids(1000);  // More than there are steps.
  std::map<PeerId, Client> clients;
  const auto steps =
      *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1000));
  int now = 0;
  for (const int step : steps) {
    ++now;
    if (step % 2 == 0 && !clients.empty()) {
      const auto gone = std::next(clients.begin(),
                                  step / 2 % static_cast<int>(clients.size()));
      ids.TakeBack(gone->first, At(now), At(now + step % 7));
      clients.erase(gone);
      continue;
    }
    const std::string owner =
        step % 3 == 0 ? "" : std::string(1, "abcd"[step % 4]);
    const std::optional<PeerId> id = ids.Give(owner, owner.empty(), At(now));
    RC_ASSERT(id.has_value());
    RC_ASSERT(!clients.contains(*id));
    Client newcomer = {owner, {*id}};
    for (auto& [peer, client] : clients) {
      const bool is_new = client.seen.insert(*id).second;
      RC_ASSERT(is_new || !client.owner.empty());
      newcomer.seen.insert(peer);
    }
    clients.emplace(*id, newcomer);
  }
}

}  // namespace
}  // namespace ivshmem::server
