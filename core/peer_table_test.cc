// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/peer_table.h"

#include <atomic>
#include <cstdlib>
#include <functional>
#include <map>
#include <memory>
#include <new>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace {
std::atomic<uint64_t> allocations{0};
}  // namespace

// Counts, so that a test can say that ringing allocates nothing.
void* operator new(size_t size) {
  ++allocations;
  return std::malloc(size);
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, size_t) noexcept { std::free(memory); }

namespace ivshmem {
namespace {

class Bell : public Notifier {
 public:
  explicit Bell(std::atomic<int>* living = nullptr) : living_(living) {
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

  std::atomic<int> signals{0};
  Outcome outcome = Outcome::kSignalled;
  std::function<void()> on_signal;

 private:
  std::atomic<int>* const living_;
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
  std::shared_ptr<Bell> Connect(PeerId peer, Vector vector) {
    auto bell = std::make_shared<Bell>();
    EXPECT_TRUE(table_.Connect(peer, vector, bell).ok());
    return bell;
  }
  RingResult Ring(PeerId peer, Vector vector) {
    const InFlight::Call call(in_flight_);
    return table_.Ring(call, {peer, vector});
  }

  InFlight in_flight_;
  Listener listener_;
  PeerTable table_{in_flight_, &listener_};
};

// "If the peer with the requested ID isn't connected, or it has fewer interrupt
// vectors connected, the write is ignored."
TEST_F(PeerTableTest, WhatIsNotConnectedIsNotRung) {
  EXPECT_EQ(Ring(0, 0), RingResult::kNoSuchPeer);
  Connect(0, 1);
  EXPECT_EQ(Ring(0, 1), RingResult::kDelivered);
  EXPECT_EQ(Ring(0, 0), RingResult::kNoSuchVector);
  EXPECT_EQ(Ring(0, 2), RingResult::kNoSuchVector);
  EXPECT_EQ(Ring(0, 65535), RingResult::kNoSuchVector);
  EXPECT_EQ(Ring(1, 1), RingResult::kNoSuchPeer);
  EXPECT_EQ(Ring(65535, 0), RingResult::kNoSuchPeer);
}

// "IDs must be between 0 and 65535"; 2048 vectors each.
TEST_F(PeerTableTest, TheWholeRange) {
  for (const PeerId peer : {0, 255, 256, 65535}) {
    const auto first = Connect(peer, 0);
    const auto last = Connect(peer, 2047);
    EXPECT_EQ(Ring(peer, 2047), RingResult::kDelivered);
    EXPECT_EQ(Ring(peer, 0), RingResult::kDelivered);
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
}

// Vectors arrive one at a time and in any order.
TEST_F(PeerTableTest, VectorsInAnyOrder) {
  std::vector<std::shared_ptr<Bell>> bells(64);
  for (int i = 0; i < 64; ++i) {
    const auto vector = static_cast<Vector>(i * 37 % 64);
    bells[vector] = Connect(9, vector);
  }
  for (Vector vector = 0; vector < 64; ++vector) {
    EXPECT_EQ(Ring(9, vector), RingResult::kDelivered);
    EXPECT_EQ(bells[vector]->signals, 1) << vector;
  }
}

// QEMU: "a peer's second disconnect aborts; the same id coming back corrupts
// the heap". Here both are fine.
TEST_F(PeerTableTest, LeavesTwiceAndComesBack) {
  Connect(5, 0);
  Connect(5, 7);
  EXPECT_TRUE(table_.Disconnect(5));
  EXPECT_FALSE(table_.Disconnect(5));
  EXPECT_FALSE(table_.Disconnect(6));
  EXPECT_EQ(Ring(5, 0), RingResult::kNoSuchPeer);
  const auto bell = Connect(5, 0);
  EXPECT_EQ(Ring(5, 0), RingResult::kDelivered);
  EXPECT_EQ(Ring(5, 7), RingResult::kNoSuchVector) << "of its former life";
  EXPECT_EQ(bell->signals, 1);
}

TEST_F(PeerTableTest, DisconnectAll) {
  Connect(1, 0);
  Connect(700, 3);
  table_.DisconnectAll();
  EXPECT_EQ(Ring(1, 0), RingResult::kNoSuchPeer);
  EXPECT_EQ(Ring(700, 3), RingResult::kNoSuchPeer);
  EXPECT_TRUE(table_.Connections().empty());
  const int changes = listener_.changes;
  table_.DisconnectAll();
  EXPECT_EQ(listener_.changes, changes) << "nothing changed";
}

// A carrier that is full or broken is the ring's result, and nothing worse.
TEST_F(PeerTableTest, CarriersMayFail) {
  const auto bell = Connect(1, 0);
  bell->outcome = Notifier::Outcome::kFull;
  EXPECT_EQ(Ring(1, 0), RingResult::kCarrierFull);
  bell->outcome = Notifier::Outcome::kFailed;
  EXPECT_EQ(Ring(1, 0), RingResult::kCarrierFailed);
}

// Nothing is kept of who left, and nothing is lost by growth.
TEST_F(PeerTableTest, NotifiersGoWithTheirConnections) {
  std::atomic<int> living{0};
  for (Vector vector = 0; vector < 9; ++vector) {
    ASSERT_TRUE(
        table_.Connect(2, vector, std::make_shared<Bell>(&living)).ok());
  }
  EXPECT_EQ(living, 9);
  ASSERT_TRUE(table_.Connect(2, 4, std::make_shared<Bell>(&living)).ok());
  EXPECT_EQ(living, 9) << "the replaced one is gone";
  table_.Disconnect(2);
  EXPECT_EQ(living, 0);
}

// A ring that is under way may use its notifier to the end.
TEST_F(PeerTableTest, ARingKeepsItsNotifier) {
  std::atomic<int> living{0};
  auto bell = std::make_shared<Bell>(&living);
  Bell* raw = bell.get();
  raw->on_signal = [&] {
    table_.Disconnect(3);
    EXPECT_EQ(living, 1);
    EXPECT_EQ(Ring(3, 0), RingResult::kNoSuchPeer);
  };
  ASSERT_TRUE(table_.Connect(3, 0, std::move(bell)).ok());
  EXPECT_EQ(Ring(3, 0), RingResult::kDelivered);
  Connect(4, 0);
  Connect(4, 0);  // Retires something, and with it what was left.
  EXPECT_EQ(living, 0);
}

// A notifier may ring, connect and disconnect from inside.
TEST_F(PeerTableTest, ReentrantNotifiers) {
  const auto outer = Connect(1, 0);
  const auto inner = Connect(2, 0);
  outer->on_signal = [&] {
    EXPECT_EQ(Ring(2, 0), RingResult::kDelivered);
    Connect(6, 1);
  };
  EXPECT_EQ(Ring(1, 0), RingResult::kDelivered);
  EXPECT_EQ(inner->signals, 1);
  EXPECT_EQ(Ring(6, 1), RingResult::kDelivered);
}

TEST_F(PeerTableTest, ListenerIsToldOutsideLocks) {
  listener_.on_change = [this] { table_.Connections(); };
  Connect(1, 0);
  EXPECT_EQ(listener_.changes, 1);
  table_.Disconnect(1);
  EXPECT_EQ(listener_.changes, 2);
  table_.Disconnect(1);
  EXPECT_EQ(listener_.changes, 2);
}

TEST_F(PeerTableTest, ConnectionsInOrder) {
  const auto c = Connect(300, 1);
  const auto a = Connect(2, 9);
  const auto b = Connect(300, 0);
  const auto all = table_.Connections();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].doorbell, (Doorbell{2, 9}));
  EXPECT_EQ(all[0].notifier, a);
  EXPECT_EQ(all[1].notifier, b);
  EXPECT_EQ(all[2].notifier, c);
  EXPECT_EQ(table_.Find({300, 1}), c);
  EXPECT_EQ(table_.Find({300, 2}), nullptr);
  EXPECT_EQ(table_.Find({301, 0}), nullptr);
}

TEST_F(PeerTableTest, RingingAllocatesNothing) {
  Connect(1, 0);
  Ring(1, 0);
  const uint64_t before = allocations;
  for (int i = 0; i < 100; ++i) {
    Ring(1, 0);
    Ring(1, 1);
    Ring(2, 0);
  }
  EXPECT_EQ(allocations, before);
}

// Any program of connects, disconnects and rings gives what a map of sets
// gives.
RC_GTEST_PROP(PeerTableModel, RingsWhatIsConnected, ()) {
  InFlight in_flight;
  PeerTable table(in_flight, nullptr);
  std::map<PeerId, std::map<Vector, std::shared_ptr<Bell>>> model;
  const auto steps =
      *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
          rc::gen::tuple(rc::gen::inRange(0, 6), rc::gen::inRange(0, 5),
                         rc::gen::inRange(0, 20)));
  for (const auto& [what, who, which] : steps) {
    const auto peer = static_cast<PeerId>(who * 16000);
    const auto vector = static_cast<Vector>(which);
    if (what <= 1) {
      auto bell = std::make_shared<Bell>();
      RC_ASSERT(table.Connect(peer, vector, bell).ok());
      model[peer][vector] = bell;
    } else if (what == 2) {
      RC_ASSERT(table.Disconnect(peer) == (model.erase(peer) == 1));
    } else {
      const bool known = model.count(peer) == 1;
      const bool there = known && model[peer].count(vector) == 1;
      const int before = there ? model[peer][vector]->signals.load() : 0;
      const InFlight::Call call(in_flight);
      const RingResult result = table.Ring(call, {peer, vector});
      RC_ASSERT(result == (there   ? RingResult::kDelivered
                           : known ? RingResult::kNoSuchVector
                                   : RingResult::kNoSuchPeer));
      if (there) RC_ASSERT(model[peer][vector]->signals == before + 1);
    }
  }
}

// Threads ring while peers come and go: each ring has a result, none is made
// up, and no notifier is left or used after it is gone.
TEST(PeerTableStress, RingsAgainstChurn) {
  std::atomic<int> living{0};
  uint64_t delivered = 0;
  {
    InFlight in_flight;
    PeerTable table(in_flight, nullptr);
    std::atomic<bool> stop{false};
    std::vector<std::thread> ringers;
    std::vector<uint64_t> counts(2);
    for (int t = 0; t < 2; ++t) {
      ringers.emplace_back([&, t] {
        for (uint32_t i = 0; !stop; ++i) {
          const InFlight::Call call(in_flight);
          const Doorbell doorbell = {static_cast<PeerId>(i % 4),
                                     static_cast<Vector>(i % 5)};
          if (table.Ring(call, doorbell) == RingResult::kDelivered) ++counts[t];
        }
      });
    }
    std::vector<std::thread> churners;
    for (int t = 0; t < 2; ++t) {
      churners.emplace_back([&, t] {
        for (int i = 0; i < 3000; ++i) {
          const auto peer = static_cast<PeerId>((i + t) % 4);
          if (i % 7 == 0) {
            table.Disconnect(peer);
          } else {
            table
                .Connect(peer, static_cast<Vector>(i % 5),
                         std::make_shared<Bell>(&living))
                .IgnoreError();
          }
        }
      });
    }
    for (std::thread& churner : churners) churner.join();
    stop = true;
    for (std::thread& ringer : ringers) ringer.join();
    delivered = counts[0] + counts[1];
  }
  EXPECT_EQ(living, 0);
  EXPECT_GT(delivered, 0u);
}

}  // namespace
}  // namespace ivshmem
