// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// "Everything from any thread at once."

#include <array>
#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "core/in_flight.h"
#include "core/peer_table.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr int kPeers = 4;
constexpr int kVectors = 5;
constexpr uint32_t kAlive = 0xa11fe;

// Knows for whom it was made, and whether it still exists.
class Bell : public Notifier {
 public:
  Bell(std::atomic<int>& living, std::atomic<bool>& dead)
      : living_(living), dead_(dead) {
    ++living_;
  }
  ~Bell() override {
    alive_ = 0;
    --living_;
  }
  Outcome Signal() noexcept override {
    if (alive_ != kAlive) dead_ = true;
    ++signals_;
    if (alive_ != kAlive) dead_ = true;
    return Outcome::kSignalled;
  }

 private:
  std::atomic<int>& living_;
  std::atomic<bool>& dead_;
  std::atomic<uint32_t> alive_{kAlive};
  int signals_ = 0;  // Unguarded: each test has one thread that rings.
};

class PeerTableStress : public ::testing::Test {
 protected:
  void Connect(PeerTable& table, PeerId peer, Vector vector) {
    EXPECT_TRUE(
        table.Connect(peer, vector, std::make_shared<Bell>(living_, dead_))
            .ok());
  }

  std::atomic<int> living_{0};
  std::atomic<bool> dead_{false};
};

// A thread rings while two others connect, replace, grow and disconnect: each
// ring has a result that fits, and no notifier is used when it is gone, nor
// kept. (That the ring's thread is over with a notifier happens before its
// destruction: the unguarded counter is there for TSan to judge.)
TEST_F(PeerTableStress, RingsAgainstChurn) {
  std::array<uint64_t, static_cast<size_t>(RingResult::kCount)> results = {};
  {
    InFlight in_flight;
    PeerTable table(in_flight, nullptr);
    Connect(table, 0, 0);
    std::atomic<bool> stop{false};
    std::atomic<bool> rings{false};
    std::thread ringer([&] {
      for (uint32_t i = 0; !stop; ++i) {
        const InFlight::Call call(in_flight);
        const Doorbell doorbell = {static_cast<PeerId>(i % kPeers),
                                   static_cast<Vector>(i % kVectors)};
        const RingResult result = table.Ring(call, doorbell);
        ++results[static_cast<size_t>(result)];
        if (result == RingResult::kDelivered) rings = true;
      }
    });
    while (!rings) std::this_thread::yield();
    std::vector<std::thread> churners;
    for (int t = 0; t < 2; ++t) {
      churners.emplace_back([&, t] {
        for (int i = 0; i < 3000; ++i) {
          const auto peer = static_cast<PeerId>((i + t) % kPeers);
          if (i % 1000 == 999) {
            table.DisconnectAll();
          } else if (i % 7 == 0) {
            table.Disconnect(peer);
          } else {
            Connect(table, peer, static_cast<Vector>(i % kVectors));
          }
        }
      });
    }
    for (std::thread& churner : churners) churner.join();
    stop = true;
    ringer.join();
    const auto connected = static_cast<int>(table.Connections().size());
    in_flight.Retire(std::make_shared<int>(0));
    EXPECT_EQ(living_, connected) << "what was replaced is gone";
  }
  EXPECT_EQ(living_, 0);
  EXPECT_FALSE(dead_);
  EXPECT_GT(results[static_cast<size_t>(RingResult::kDelivered)], 0u);
  EXPECT_EQ(results[static_cast<size_t>(RingResult::kCarrierFailed)], 0u);
}

// A vector that stays connected can be rung at every moment while the others of
// its peer come: growth loses none.
TEST_F(PeerTableStress, GrowthLosesNoRing) {
  for (int run = 0; run < 20; ++run) {
    InFlight in_flight;
    PeerTable table(in_flight, nullptr);
    Connect(table, 1, 0);
    std::atomic<bool> stop{false};
    std::atomic<uint64_t> lost{0};
    std::thread ringer([&] {
      while (!stop) {
        const InFlight::Call call(in_flight);
        if (table.Ring(call, {1, 0}) != RingResult::kDelivered) ++lost;
      }
    });
    for (Vector vector = 1; vector < 200; ++vector) Connect(table, 1, vector);
    stop = true;
    ringer.join();
    EXPECT_EQ(lost, 0u);
    EXPECT_EQ(table.Connections().size(), 200u);
  }
  EXPECT_FALSE(dead_);
  EXPECT_EQ(living_, 0);
}

// Peers that connect at once on several threads, first users of the same page
// among them, are all there afterwards.
TEST_F(PeerTableStress, ConnectsAtOnce) {
  for (int run = 0; run < 20; ++run) {
    InFlight in_flight;
    PeerTable table(in_flight, nullptr);
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < 30; ++i) {
          Connect(table, static_cast<PeerId>(256 * (i % 10) + t),
                  static_cast<Vector>(i / 10));
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(table.Connections().size(), 90u);
  }
  EXPECT_EQ(living_, 0);
}

}  // namespace
}  // namespace ivshmem
