// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The table is called back from what it calls: "a notifier may call back into
// the device that rings", "told, outside locks".

#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "core/in_flight.h"
#include "core/peer_table.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

class Bell : public Notifier {
 public:
  Bell(int* living, std::function<void()> on_signal)
      : living_(living), on_signal_(std::move(on_signal)) {
    ++*living_;
  }
  ~Bell() override { --*living_; }
  Outcome Signal() noexcept override {
    if (on_signal_) on_signal_();
    return Outcome::kSignalled;
  }

 private:
  int* const living_;
  const std::function<void()> on_signal_;
};

class Listener : public PeerTable::Listener {
 public:
  void PeersChanged() noexcept override {
    if (on_change) on_change();
  }
  std::function<void()> on_change;
};

class PeerTableReentrancyTest : public ::testing::Test {
 protected:
  void Connect(PeerId peer, Vector vector,
               const std::function<void()>& on_signal = nullptr) {
    EXPECT_TRUE(
        table_
            .Connect(peer, vector, std::make_shared<Bell>(&living_, on_signal))
            .ok());
  }
  RingResult Ring(PeerId peer, Vector vector) {
    const InFlight::Call call(in_flight_);
    return table_.Ring(call, {peer, vector});
  }

  int living_ = 0;  // Notifiers that exist.
  Listener listener_;
  InFlight in_flight_;
  PeerTable table_{in_flight_, &listener_};
};

TEST_F(PeerTableReentrancyTest, RingsFromInsideARing) {
  int inner = 0;
  Connect(2, 0, [&] { ++inner; });
  Connect(1, 0, [this] { EXPECT_EQ(Ring(2, 0), RingResult::kDelivered); });
  EXPECT_EQ(Ring(1, 0), RingResult::kDelivered);
  EXPECT_EQ(inner, 1);
}

TEST_F(PeerTableReentrancyTest, ConnectsFromInsideARing) {
  Connect(1, 0, [this] {
    Connect(6, 1);
    Connect(1, 9);  // Makes the array grow that this ring came through.
    EXPECT_EQ(Ring(6, 1), RingResult::kDelivered);
    EXPECT_EQ(Ring(1, 9), RingResult::kDelivered);
  });
  EXPECT_EQ(Ring(1, 0), RingResult::kDelivered);
  EXPECT_EQ(Ring(6, 1), RingResult::kDelivered);
  EXPECT_EQ(Ring(1, 9), RingResult::kDelivered);
}

// "A ring that is under way may still signal the old notifier, which is
// destroyed after the last of these": here the signal itself removes it.
TEST_F(PeerTableReentrancyTest, ANotifierDisconnectsItself) {
  Connect(3, 0, [this] {
    EXPECT_TRUE(table_.Disconnect(3));
    EXPECT_FALSE(table_.Disconnect(3));
    EXPECT_EQ(living_, 1) << "this one is in use";
    EXPECT_EQ(Ring(3, 0), RingResult::kNoSuchPeer);
  });
  EXPECT_EQ(Ring(3, 0), RingResult::kDelivered);
  Connect(4, 0);
  Connect(4, 0);  // Retires something, and with it what was left.
  EXPECT_EQ(living_, 1);
}

TEST_F(PeerTableReentrancyTest, ANotifierReplacesItself) {
  int second = 0;
  Connect(3, 0, [&] {
    Connect(3, 0, [&] { ++second; });
    EXPECT_EQ(living_, 2);
    EXPECT_EQ(Ring(3, 0), RingResult::kDelivered);
  });
  EXPECT_EQ(Ring(3, 0), RingResult::kDelivered);
  EXPECT_EQ(second, 1);
  EXPECT_EQ(Ring(3, 0), RingResult::kDelivered);
  EXPECT_EQ(second, 2);
}

TEST_F(PeerTableReentrancyTest, ANotifierDisconnectsAll) {
  Connect(1, 0);
  Connect(3, 0, [this] {
    table_.DisconnectAll();
    EXPECT_EQ(living_, 2) << "what is in use stays until the ring is over";
  });
  EXPECT_EQ(Ring(3, 0), RingResult::kDelivered);
  EXPECT_TRUE(table_.Connections().empty());
}

// The other side of it: what another thread's ring is using stays as well, and
// whoever disconnects does not wait for it.
TEST_F(PeerTableReentrancyTest, AStuckRingHoldsUpNobody) {
  absl::Notification inside;
  absl::Notification leave;
  Connect(3, 0, [&] {
    inside.Notify();
    leave.WaitForNotification();
  });
  std::thread ringer([this] { Ring(3, 0); });
  inside.WaitForNotification();
  EXPECT_TRUE(table_.Disconnect(3));
  EXPECT_EQ(living_, 1);
  Connect(3, 0);
  EXPECT_EQ(Ring(3, 0), RingResult::kDelivered);
  leave.Notify();
  ringer.join();
  Connect(3, 0);
  EXPECT_EQ(living_, 1) << "the old ones are gone";
}

// A listener may read and change the table it is told of.
TEST_F(PeerTableReentrancyTest, AListenerChangesTheTable) {
  int depth = 0;
  std::vector<size_t> sizes;
  listener_.on_change = [&] {
    sizes.push_back(table_.Connections().size());
    EXPECT_EQ(table_.Find({1, 0}) != nullptr, !table_.Connections().empty());
    if (++depth == 1) table_.Disconnect(1);
    if (depth == 2) Connect(1, 0);
  };
  Connect(1, 0);
  EXPECT_EQ(sizes, (std::vector<size_t>{1, 0, 1}));
  EXPECT_EQ(Ring(1, 0), RingResult::kDelivered);
}

// A notifier's end may lead back into the table, since it comes outside locks.
TEST_F(PeerTableReentrancyTest, ADestroyedNotifierCallsBack) {
  size_t left = 99;
  class LastWords : public Notifier {
   public:
    explicit LastWords(std::function<void()> words)
        : words_(std::move(words)) {}
    ~LastWords() override { words_(); }
    Outcome Signal() noexcept override { return Outcome::kSignalled; }

   private:
    const std::function<void()> words_;
  };
  ASSERT_TRUE(table_
                  .Connect(8, 0, std::make_shared<LastWords>([&] {
                             left = table_.Connections().size();
                             table_.Disconnect(8);
                           }))
                  .ok());
  EXPECT_TRUE(table_.Disconnect(8));
  EXPECT_EQ(left, 0u);
}

}  // namespace
}  // namespace ivshmem
