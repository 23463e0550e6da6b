// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// "Everything from any thread at once, also from what a device calls": devices
// come and go from inside rings, and from inside what is told of others that
// come and go.

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "core/device.h"
#include "core/switchboard.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// A device with two vectors. `on_...` is run by each call of that kind.
class Guest : private InterruptSink, private PeerTable::Listener {
 public:
  Guest() {
    device = *Device::Create(
        {.interrupts = InterruptMode::kMsix, .vectors = 2, .id = {}},
        {.interrupts = this, .peers = this});
  }

  void Ring(PeerId peer, Vector vector = 0) {
    device->Write(kDoorbellOffset, 4, Doorbell{peer, vector}.Encode());
  }
  // Which peers the guest can ring, one entry for each vector.
  std::vector<PeerId> Peers() const {
    std::vector<PeerId> peers;
    for (const auto& connection : device->peers().Connections()) {
      peers.push_back(connection.doorbell.peer);
    }
    return peers;
  }

  std::unique_ptr<Device> device;
  std::atomic<int> interrupts{0};
  std::function<void()> on_interrupt;
  std::function<void()> on_peers;

 private:
  InterruptResult Deliver(Vector) noexcept override {
    ++interrupts;
    if (on_interrupt) on_interrupt();
    return InterruptResult::kDelivered;
  }
  void PeersChanged() noexcept override {
    if (on_peers) on_peers();
  }
};

class SwitchboardReentrancyTest : public ::testing::Test {
 protected:
  SwitchboardReentrancyTest() {
    EXPECT_TRUE(board_.AddRegion("one", {bytes_, sizeof(bytes_)}).ok());
  }
  std::unique_ptr<Switchboard::Port> Bind(Guest& guest) {
    auto port = board_.Bind("one", sizeof(bytes_), *guest.device);
    EXPECT_TRUE(port.ok()) << port.status();
    return port.ok() ? *std::move(port) : nullptr;
  }

  uint8_t bytes_[64] = {};
  Switchboard board_;
};

// "It may itself be called from inside one": a guest's handler that unbinds it,
// the ring that leads there being under way.
TEST_F(SwitchboardReentrancyTest, UnbindsFromInsideARing) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  auto port_b = Bind(b);
  b.on_interrupt = [&] { port_b.reset(); };
  a.Ring(1);
  a.Ring(1);
  EXPECT_EQ(b.interrupts, 1);
  EXPECT_EQ(a.device->count(RingResult::kNoSuchPeer), 1u);
  EXPECT_EQ(a.Peers(), (std::vector<PeerId>{0, 0}));
  EXPECT_TRUE(b.Peers().empty());
}

// The one that rings is unbound by the one that is rung.
TEST_F(SwitchboardReentrancyTest, UnbindsTheRingerFromInsideItsRing) {
  Guest a;
  Guest b;
  auto port_a = Bind(a);
  const auto port_b = Bind(b);
  b.on_interrupt = [&] { port_a.reset(); };
  a.Ring(1);
  EXPECT_FALSE(a.device->id().has_value());
  EXPECT_TRUE(a.Peers().empty());
  EXPECT_EQ(b.Peers(), (std::vector<PeerId>{1, 1}));
}

TEST_F(SwitchboardReentrancyTest, ADeviceRemovesItselfByRingingItself) {
  Guest guest;
  auto port = Bind(guest);
  guest.on_interrupt = [&] {
    port.reset();
    guest.device.reset();
  };
  guest.Ring(0);
  EXPECT_EQ(guest.device, nullptr);
}

// Two devices go, one of them the ringer, from inside a ring inside a ring.
TEST_F(SwitchboardReentrancyTest, AllGoFromInsideANestedRing) {
  Guest a;
  Guest b;
  auto port_a = Bind(a);
  auto port_b = Bind(b);
  b.on_interrupt = [&] { b.Ring(0); };
  a.on_interrupt = [&] {
    port_a.reset();
    a.device.reset();
    port_b.reset();
    b.device.reset();
  };
  a.Ring(1);
  EXPECT_EQ(a.interrupts, 1);
  EXPECT_EQ(b.interrupts, 1);
}

TEST_F(SwitchboardReentrancyTest, BindsFromInsideARing) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  std::unique_ptr<Switchboard::Port> port_b;
  a.on_interrupt = [&] { port_b = Bind(b); };
  a.Ring(0);
  a.on_interrupt = nullptr;
  b.Ring(0);
  EXPECT_EQ(a.interrupts, 2);
  EXPECT_EQ(b.Peers(), (std::vector<PeerId>{0, 0, 1, 1}));
}

// "It waits for rings into the device that other threads have under way";
// "nobody's ring reaches the device any more when it returns".
TEST_F(SwitchboardReentrancyTest, UnbindingWaitsForARingUnderWay) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  auto port_b = Bind(b);
  absl::Notification inside;
  absl::Notification leave;
  std::atomic<bool> left{false};
  b.on_interrupt = [&] {
    inside.Notify();
    leave.WaitForNotification();
    left = true;
  };
  std::thread ringer([&a] { a.Ring(1); });
  inside.WaitForNotification();
  absl::Notification unbound;
  std::thread unbinder([&] {
    port_b.reset();
    EXPECT_TRUE(left);
    unbound.Notify();
  });
  EXPECT_FALSE(unbound.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
  leave.Notify();
  unbinder.join();
  b.device.reset();
  ringer.join();
  a.Ring(1);
  EXPECT_EQ(b.interrupts, 1);
}

// While a device is being bound, each of those whom this is told unbinds, or
// even destroys, a device at each of the moments at which it is told: nobody is
// connected with one who has left, neither way.
class UnbindsDuringBind : public SwitchboardReentrancyTest,
                          public ::testing::WithParamInterface<int> {};

TEST_P(UnbindsDuringBind, WhoLeftIsNobodysPeer) {
  for (const bool told_is_new : {true, false}) {
    for (const bool destroy : {false, true}) {
      std::array<Guest, 3> guests;
      Guest& stays = guests[0];
      Guest& leaves = guests[1];
      Guest& comes = guests[2];
      const auto port_stays = Bind(stays);  // Id 0.
      auto port_leaves = Bind(leaves);      // Id 1.
      Guest& told = told_is_new ? comes : leaves;
      int calls = 0;
      told.on_peers = [&] {
        if (calls++ != GetParam()) return;
        port_leaves.reset();
        if (destroy) leaves.device.reset();
      };
      const auto port_comes = Bind(comes);  // Id 2.
      told.on_peers = nullptr;
      SCOPED_TRACE(testing::Message() << "told " << calls << " times");
      if (port_leaves != nullptr) continue;  // Not told so often.
      EXPECT_EQ(stays.Peers(), (std::vector<PeerId>{0, 0, 2, 2}));
      EXPECT_EQ(comes.Peers(), (std::vector<PeerId>{0, 0, 2, 2}));
      if (!destroy) {
        EXPECT_TRUE(leaves.Peers().empty());
        EXPECT_FALSE(leaves.device->id().has_value());
      }
      comes.Ring(1);
      EXPECT_EQ(leaves.interrupts, 0);
      comes.Ring(0);
      EXPECT_EQ(stays.interrupts, 1);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Moments, UnbindsDuringBind, ::testing::Range(0, 9));

// The same when the listener answers a departure with the next one.
TEST_F(SwitchboardReentrancyTest, OneLeavesWhenAnotherDoes) {
  std::array<Guest, 3> guests;
  std::array<std::unique_ptr<Switchboard::Port>, 3> ports;
  for (size_t i = 0; i < 3; ++i) ports[i] = Bind(guests[i]);
  for (size_t i = 0; i < 3; ++i) {
    guests[i].on_peers = [&ports, i] {
      if (auto port = std::exchange(ports[i], nullptr)) port.reset();
    };
  }
  std::exchange(ports[0], nullptr).reset();
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(ports[i], nullptr) << i;
    EXPECT_TRUE(guests[i].Peers().empty()) << i;
    EXPECT_FALSE(guests[i].device->id().has_value()) << i;
  }
}

}  // namespace
}  // namespace ivshmem
