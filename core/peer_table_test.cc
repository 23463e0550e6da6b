// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/peer_table.h"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <memory>
#include <new>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace {
std::atomic<uint64_t> allocations{0};
std::atomic<int64_t> alive{0};  // Those that have not been freed.

void Free(void* memory) noexcept {
  if (memory != nullptr) --alive;
  std::free(memory);
}
}  // namespace

// Counts, so that a test can say that ringing allocates nothing, and when
// something goes.
void* operator new(size_t size) {
  ++allocations;
  ++alive;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { Free(memory); }
void operator delete(void* memory, size_t) noexcept { Free(memory); }

namespace ivshmem {
namespace {

class Bell : public Notifier {
 public:
  explicit Bell(int* living = nullptr) : living_(living) {
    if (living_ != nullptr) ++*living_;
  }
  ~Bell() override {
    if (living_ != nullptr) --*living_;
  }

  Outcome Signal() noexcept override {
    ++signals;
    if (on_signal) on_signal();
    return outcome;
  }

  int signals = 0;
  Outcome outcome = Outcome::kSignalled;
  std::function<void()> on_signal;

 private:
  int* const living_;
};

class Listener : public PeerTable::Listener {
 public:
  void PeersChanged() noexcept override {
    ++changes;
    if (on_change) on_change();
  }
  int changes = 0;
  std::function<void()> on_change;
};

class PeerTableTest : public ::testing::Test {
 protected:
  std::shared_ptr<Bell> Connect(PeerId peer, Vector vector,
                                int* living = nullptr) {
    auto bell = std::make_shared<Bell>(living);
    EXPECT_TRUE(table_.Connect(peer, vector, bell).ok());
    return bell;
  }
  RingResult Ring(PeerId peer, Vector vector) {
    const InFlight::Call call(in_flight_);
    return table_.Ring(call, {peer, vector});
  }

  int living_ = 0;  // Outlives the table, which destroys notifiers.
  InFlight in_flight_;
  Listener listener_;
  PeerTable table_{in_flight_, &listener_};
};

// "If the peer with the requested ID isn't connected, or it has fewer interrupt
// vectors connected, the write is ignored."
// Clause: doorbell-absent-peer, doorbell-absent-vector
// Differs: flat-vector-bound
TEST_F(PeerTableTest, WhatIsNotConnectedIsNotRung) {
  EXPECT_EQ(Ring(0, 0), RingResult::kNoSuchPeer);
  const auto bell = Connect(0, 1);
  EXPECT_EQ(Ring(0, 1), RingResult::kDelivered);
  EXPECT_EQ(Ring(0, 0), RingResult::kNoSuchVector);
  EXPECT_EQ(Ring(0, 2), RingResult::kNoSuchVector);
  EXPECT_EQ(Ring(0, 65535), RingResult::kNoSuchVector);
  EXPECT_EQ(Ring(1, 1), RingResult::kNoSuchPeer);
  EXPECT_EQ(Ring(256, 1), RingResult::kNoSuchPeer);
  EXPECT_EQ(Ring(65535, 0), RingResult::kNoSuchPeer);
  EXPECT_EQ(bell->signals, 1);
}

// "IDs must be between 0 and 65535"; up to 2048 vectors each.
TEST_F(PeerTableTest, TheWholeRange) {
  for (const PeerId peer : {0, 255, 256, 65535}) {
    const auto first = Connect(peer, 0);
    const auto last = Connect(peer, 2047);
    EXPECT_EQ(Ring(peer, 2047), RingResult::kDelivered);
    EXPECT_EQ(Ring(peer, 0), RingResult::kDelivered);
    EXPECT_EQ(Ring(peer, 1), RingResult::kNoSuchVector);
    EXPECT_EQ(Ring(peer, 2048), RingResult::kNoSuchVector);
    EXPECT_EQ(first->signals, 1);
    EXPECT_EQ(last->signals, 1);
  }
}

TEST_F(PeerTableTest, ConnectErrors) {
  EXPECT_EQ(table_.Connect(3, 2048, std::make_shared<Bell>()).ToString(),
            "OUT_OF_RANGE: vector of peer 3: expected 0..2047, got 2048");
  EXPECT_EQ(table_.Connect(3, 0, nullptr).ToString(),
            "INVALID_ARGUMENT: notifier of peer 3 vector 0: expected one, got "
            "null");
  EXPECT_EQ(listener_.changes, 0);
  EXPECT_EQ(Ring(3, 0), RingResult::kNoSuchPeer);
  EXPECT_FALSE(table_.Disconnect(3));
}

// "Their vectors arrive one at a time, in any order": what is there already
// rings at every moment of it.
// Fault: qemu-late-vectors
TEST_F(PeerTableTest, VectorsInAnyOrder) {
  std::vector<std::shared_ptr<Bell>> bells(64);
  for (int i = 0; i < 64; ++i) {
    const auto vector = static_cast<Vector>(i * 37 % 64);
    bells[vector] = Connect(9, vector);
    for (Vector v = 0; v < 64; ++v) {
      const int before = bells[v] == nullptr ? 0 : bells[v]->signals;
      ASSERT_EQ(Ring(9, v), bells[v] == nullptr ? RingResult::kNoSuchVector
                                                : RingResult::kDelivered);
      if (bells[v] != nullptr) {
        ASSERT_EQ(bells[v]->signals, before + 1);
      }
    }
  }
}

// QEMU: "a peer's second disconnect aborts; the same id coming back corrupts
// the heap". Here both are fine.
// Fault: qemu-disconnect-twice
TEST_F(PeerTableTest, LeavesTwiceAndComesBack) {
  const auto former = Connect(5, 0);
  Connect(5, 7);
  EXPECT_TRUE(table_.Disconnect(5));
  EXPECT_FALSE(table_.Disconnect(5));
  EXPECT_FALSE(table_.Disconnect(6));
  EXPECT_EQ(Ring(5, 0), RingResult::kNoSuchPeer);
  EXPECT_EQ(Ring(5, 7), RingResult::kNoSuchPeer);
  const auto bell = Connect(5, 0);
  EXPECT_EQ(Ring(5, 0), RingResult::kDelivered);
  EXPECT_EQ(Ring(5, 7), RingResult::kNoSuchVector) << "of its former life";
  EXPECT_EQ(bell->signals, 1);
  EXPECT_EQ(former->signals, 0);
}

// "The peer is gone with all its vectors", and only that peer.
TEST_F(PeerTableTest, DisconnectLeavesTheOthers) {
  const auto neighbour = Connect(4, 0);
  Connect(5, 0);
  EXPECT_TRUE(table_.Disconnect(5));
  EXPECT_EQ(Ring(4, 0), RingResult::kDelivered);
  EXPECT_EQ(neighbour->signals, 1);
}

TEST_F(PeerTableTest, DisconnectAll) {
  int& living = living_;
  Connect(1, 0, &living);
  Connect(700, 3, &living);
  table_.DisconnectAll();
  EXPECT_EQ(living, 0);
  EXPECT_EQ(Ring(1, 0), RingResult::kNoSuchPeer);
  EXPECT_EQ(Ring(700, 3), RingResult::kNoSuchPeer);
  EXPECT_TRUE(table_.Connections().empty());
  EXPECT_FALSE(table_.Disconnect(1));
  Connect(1, 0);
  EXPECT_EQ(Ring(1, 0), RingResult::kDelivered);
}

// A carrier that is full or broken is the ring's result, and nothing worse.
TEST_F(PeerTableTest, CarriersMayFail) {
  const auto bell = Connect(1, 0);
  bell->outcome = Notifier::Outcome::kFull;
  EXPECT_EQ(Ring(1, 0), RingResult::kCarrierFull);
  bell->outcome = Notifier::Outcome::kFailed;
  EXPECT_EQ(Ring(1, 0), RingResult::kCarrierFailed);
  bell->outcome = Notifier::Outcome::kSignalled;
  EXPECT_EQ(Ring(1, 0), RingResult::kDelivered);
}

// "Replaces the one that was there", of that vector alone.
TEST_F(PeerTableTest, AnotherNotifierReplaces) {
  int& living = living_;
  Connect(2, 4, &living);
  const auto neighbour = Connect(2, 3);
  const auto next = Connect(2, 4, &living);
  EXPECT_EQ(living, 1) << "nobody uses the replaced one";
  EXPECT_EQ(Ring(2, 4), RingResult::kDelivered);
  EXPECT_EQ(next->signals, 1);
  EXPECT_EQ(neighbour->signals, 0);
}

// Nothing is kept of who left, nothing is lost by growth, and the table's end
// is everybody's.
TEST_F(PeerTableTest, NotifiersGoWithTheirConnections) {
  int& living = living_;
  for (Vector vector = 0; vector < 9; ++vector) Connect(2, vector, &living);
  EXPECT_EQ(living, 9);
  table_.Disconnect(2);
  EXPECT_EQ(living, 0);
  {
    PeerTable table(in_flight_, nullptr);
    const auto bell = std::make_shared<Bell>(&living);
    ASSERT_TRUE(table.Connect(60000, 12, bell).ok());
    EXPECT_EQ(bell.use_count(), 2);
  }
  EXPECT_EQ(living, 0);
}

// A ring that is under way may still read what a peer's vectors outgrow, so
// that goes when the ring is over, and not before.
TEST_F(PeerTableTest, WhatIsOutgrownOutlivesRings) {
  Connect(1, 0);
  const int64_t before = alive;
  {
    const InFlight::Call ring(in_flight_);
    Connect(1, 100);
    EXPECT_GT(alive, before);
  }
  const int64_t during = alive;
  in_flight_.Retire(std::make_shared<int>(0));
  EXPECT_LT(alive, during);
}

// "Told after the set of connections has changed", and only then.
TEST_F(PeerTableTest, ListenerIsToldOfChanges) {
  Connect(1, 0);
  EXPECT_EQ(listener_.changes, 1);
  Connect(1, 0);
  EXPECT_EQ(listener_.changes, 2) << "another notifier is a change";
  Ring(1, 0);
  EXPECT_EQ(listener_.changes, 2);
  table_.Disconnect(1);
  EXPECT_EQ(listener_.changes, 3);
  table_.Disconnect(1);
  EXPECT_EQ(listener_.changes, 3);
  table_.DisconnectAll();
  EXPECT_EQ(listener_.changes, 3) << "there was nobody";
  Connect(1, 0);
  table_.DisconnectAll();
  EXPECT_EQ(listener_.changes, 5);
}

// "Changes whenever a connection goes or gets another notifier", and at nothing
// else.
TEST_F(PeerTableTest, Departures) {
  uint64_t before = table_.departures();
  const auto departed = [&] {
    const uint64_t now = table_.departures();
    return now != std::exchange(before, now);
  };
  Connect(1, 0);
  Connect(1, 5);
  Connect(2, 0);
  EXPECT_FALSE(departed());
  Connect(1, 5);
  EXPECT_TRUE(departed()) << "another notifier";
  EXPECT_TRUE(table_.Disconnect(1));
  EXPECT_TRUE(departed());
  EXPECT_FALSE(table_.Disconnect(1));
  EXPECT_FALSE(departed());
  table_.DisconnectAll();
  EXPECT_TRUE(departed());
  table_.DisconnectAll();
  EXPECT_FALSE(departed());
}

// "All connections of the moment, in the order of their doorbell values."
TEST_F(PeerTableTest, ConnectionsAndFind) {
  const auto c = Connect(300, 1);
  const auto a = Connect(2, 9);
  const auto b = Connect(300, 0);
  const auto all = table_.Connections();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].doorbell, (Doorbell{2, 9}));
  EXPECT_EQ(all[1].doorbell, (Doorbell{300, 0}));
  EXPECT_EQ(all[2].doorbell, (Doorbell{300, 1}));
  EXPECT_EQ(all[0].notifier, a);
  EXPECT_EQ(all[1].notifier, b);
  EXPECT_EQ(all[2].notifier, c);
  EXPECT_EQ(table_.Find({300, 1}), c);
  EXPECT_EQ(table_.Find({300, 2}), nullptr);
  EXPECT_EQ(table_.Find({2, 8}), nullptr);
  EXPECT_EQ(table_.Find({301, 0}), nullptr);
}

// "New since the call that left `since` as it is, in the order in which they
// came; all where 0 is given." Who has gone since is not in it.
TEST_F(PeerTableTest, ConnectionsSince) {
  const auto since = [this](uint64_t& mark) {
    std::vector<std::pair<Doorbell, std::shared_ptr<Notifier>>> found;
    for (const auto& each : table_.ConnectionsSince(mark)) {
      found.emplace_back(each.doorbell, each.notifier);
    }
    return found;
  };
  using Found = decltype(since(std::declval<uint64_t&>()));
  const auto b = Connect(300, 1);
  const auto a = Connect(2, 9);
  uint64_t mark = 0;
  EXPECT_EQ(since(mark), (Found{{{300, 1}, b}, {{2, 9}, a}}));
  EXPECT_EQ(since(mark), Found());
  const auto c = Connect(300, 0);
  const auto d = Connect(2, 9);
  Connect(7, 0);
  EXPECT_TRUE(table_.Disconnect(7));
  EXPECT_EQ(since(mark), (Found{{{300, 0}, c}, {{2, 9}, d}}));
  EXPECT_EQ(since(mark), Found());
}

// "All where more has come than the table keeps account of": nobody who looks
// now and then misses any, however many come in between, and who looks each
// time is given each once.
TEST_F(PeerTableTest, ConnectionsSinceLongAgo) {
  constexpr int kPeers = 3;
  for (int times : {1, kMaxVectors, kMaxVectors + 1}) {
    PeerTable table(in_flight_, nullptr);
    uint64_t mark = 0;
    std::set<Doorbell> seen;
    size_t given = 0;
    const auto look = [&] {
      for (const auto& each : table.ConnectionsSince(mark)) {
        seen.insert(each.doorbell);
        ++given;
      }
    };
    std::set<Doorbell> all;
    for (PeerId peer = 0; peer < kPeers; ++peer) {
      for (int v = 0; v < kMaxVectors; ++v) {
        const Doorbell doorbell = {peer, static_cast<Vector>(v)};
        const auto bell = std::make_shared<Bell>();
        ASSERT_TRUE(table.Connect(peer, doorbell.vector, bell).ok());
        all.insert(doorbell);
        if (all.size() % times == 0) look();
      }
    }
    look();
    EXPECT_EQ(seen, all) << "a look each " << times;
    if (times == 1) {
      EXPECT_EQ(given, all.size());
    }
  }
}

// "Ring() allocates nothing."
TEST_F(PeerTableTest, RingingAllocatesNothing) {
  Connect(1, 0);
  Ring(1, 0);
  const uint64_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    Ring(1, 0);
    Ring(1, 1);
    Ring(2, 0);
    Ring(65535, 65535);
  }
  EXPECT_EQ(allocations, before);
  Connect(1, 1);
  EXPECT_GT(allocations, before) << "the count counts";
}

TEST(RingResultTest, EveryResultHasAName) {
  for (int i = 0; i < static_cast<int>(RingResult::kCount); ++i) {
    EXPECT_NE(RingResultName(static_cast<RingResult>(i)),
              std::string("unknown"));
  }
  EXPECT_EQ(RingResultName(RingResult::kNoSuchPeer),
            std::string("no such peer"));
  EXPECT_EQ(RingResultName(RingResult::kCount), std::string("unknown"));
}

}  // namespace
}  // namespace ivshmem
