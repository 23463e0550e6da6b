// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/switchboard.h"

#include <array>
#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

// A device with two vectors that counts its interrupts.
class Guest : private InterruptSink {
 public:
  Guest() {
    device = *Device::Create(
        {.interrupts = InterruptMode::kMsix, .vectors = 2, .id = {}},
        {.interrupts = this});
  }

  void Ring(PeerId peer, Vector vector) {
    device->Write(kDoorbellOffset, 4, Doorbell{peer, vector}.Encode());
  }

  std::unique_ptr<Device> device;
  std::atomic<int> interrupts{0};
  std::function<void()> on_interrupt;

 private:
  InterruptResult Deliver(Vector) noexcept override {
    ++interrupts;
    if (on_interrupt) on_interrupt();
    return InterruptResult::kDelivered;
  }
};

class SwitchboardTest : public ::testing::Test {
 protected:
  SwitchboardTest() {
    EXPECT_TRUE(board_.AddRegion("one", {bytes_, 64}).ok());
    EXPECT_TRUE(board_.AddRegion("two", {bytes_ + 64, 32}).ok());
  }
  std::unique_ptr<Switchboard::Port> Bind(Guest& guest,
                                          std::optional<PeerId> id = {}) {
    auto port = board_.Bind("one", 64, *guest.device, id);
    EXPECT_TRUE(port.ok()) << port.status();
    return port.ok() ? *std::move(port) : nullptr;
  }

  uint8_t bytes_[96] = {};
  Switchboard board_;
};

TEST_F(SwitchboardTest, RegionErrors) {
  EXPECT_EQ(board_.AddRegion("one", {bytes_, 64}).ToString(),
            "ALREADY_EXISTS: region name: expected a new one, got 'one' twice");
  EXPECT_EQ(board_.AddRegion("", {bytes_, 64}).ToString(),
            "INVALID_ARGUMENT: region name: expected one character at least, "
            "got none");
  EXPECT_EQ(board_.AddRegion("x", {}).ToString(),
            "INVALID_ARGUMENT: memory of region 'x': expected some, got none");
  EXPECT_EQ(board_.FindRegion("three").status().ToString(),
            "NOT_FOUND: region: expected one of [one, two], got 'three'");
  EXPECT_EQ(board_.FindRegion("two")->size, 32u);
}

// "A device whose name or size does not match a configured region is refused",
// here with a word that says which (ACRN's #8234 was a bare EINVAL).
TEST_F(SwitchboardTest, BindErrorsLeaveTheDeviceAsItWas) {
  Guest guest;
  Guest other;
  const auto port = Bind(other, 4);
  EXPECT_EQ(board_.Bind("three", 64, *guest.device).status().ToString(),
            "NOT_FOUND: region: expected one of [one, two], got 'three'");
  EXPECT_EQ(board_.Bind("two", 64, *guest.device).status().ToString(),
            "INVALID_ARGUMENT: size of region 'two': expected 32 bytes, got "
            "64");
  EXPECT_EQ(board_.Bind("one", 64, *guest.device, 4).status().ToString(),
            "ALREADY_EXISTS: id in region 'one': expected a free one, got 4, "
            "which is in use");
  EXPECT_FALSE(guest.device->id().has_value());
  EXPECT_TRUE(guest.device->peers().Connections().empty());
}

// "The first client to connect receives ID zero", then the lowest that is free.
TEST_F(SwitchboardTest, LowestFreeId) {
  std::array<Guest, 4> guests;
  auto a = Bind(guests[0]);
  auto b = Bind(guests[1]);
  auto c = Bind(guests[2], 9);
  EXPECT_EQ(a->id(), 0);
  EXPECT_EQ(b->id(), 1);
  EXPECT_EQ(guests[2].device->id(), 9);
  a.reset();
  EXPECT_EQ(Bind(guests[3])->id(), 0);
  EXPECT_EQ(c->memory().size, 64u);
}

TEST_F(SwitchboardTest, BoundDevicesRingEachOtherAndThemselves) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  const auto port_b = Bind(b);
  a.Ring(1, 0);
  a.Ring(1, 1);
  b.Ring(0, 1);
  b.Ring(1, 0);
  EXPECT_EQ(a.interrupts, 1);
  EXPECT_EQ(b.interrupts, 3);
  a.Ring(1, 2);
  EXPECT_EQ(a.device->count(RingResult::kNoSuchVector), 1u);
}

TEST_F(SwitchboardTest, RegionsAreApart) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  const auto port_b = board_.Bind("two", 32, *b.device, 1);
  a.Ring(1, 0);
  EXPECT_EQ(b.interrupts, 0);
  EXPECT_EQ(a.device->count(RingResult::kNoSuchPeer), 1u);
}

// "An unbound device leaves the region's peer table", and forgets its peers.
TEST_F(SwitchboardTest, Unbinding) {
  Guest a;
  Guest b;
  auto port_a = Bind(a);
  const auto port_b = Bind(b);
  port_a.reset();
  b.Ring(0, 0);
  EXPECT_EQ(b.device->count(RingResult::kNoSuchPeer), 1u);
  EXPECT_FALSE(a.device->id().has_value());
  EXPECT_TRUE(a.device->peers().Connections().empty());
  EXPECT_EQ(b.device->peers().Connections().size(), 2u) << "itself";
  // And back, maybe elsewhere.
  port_a = Bind(a, 5);
  b.Ring(5, 0);
  EXPECT_EQ(a.interrupts, 1);
}

// A guest's handler that unbinds it, the ring that leads there being under way.
TEST_F(SwitchboardTest, UnbindsFromInsideARing) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  auto port_b = Bind(b);
  b.on_interrupt = [&] { port_b.reset(); };
  a.Ring(1, 0);
  a.Ring(1, 0);
  EXPECT_EQ(b.interrupts, 1);
  EXPECT_EQ(a.device->count(RingResult::kNoSuchPeer), 1u);
}

// Unbinding waits for a ring into the device that another thread has under way.
TEST_F(SwitchboardTest, UnbindingWaitsForRings) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  auto port_b = Bind(b);
  std::atomic<bool> inside{false};
  std::atomic<bool> left{false};
  b.on_interrupt = [&] {
    inside = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    left = true;
  };
  std::thread ringer([&a] { a.Ring(1, 0); });
  while (!inside) std::this_thread::yield();
  port_b.reset();
  EXPECT_TRUE(left);
  ringer.join();
}

TEST_F(SwitchboardTest, ADeviceRemovesItselfByRingingItself) {
  auto guest = std::make_unique<Guest>();
  auto port = Bind(*guest);
  guest->on_interrupt = [&] {
    port.reset();
    guest->device.reset();
  };
  guest->Ring(0, 0);
  EXPECT_EQ(guest->device, nullptr);
}

// Any program of binds, unbinds and rings: exactly those get a ring who are
// bound to the same region under that id.
RC_GTEST_PROP(SwitchboardModel, RingsReachWhoIsThere, ()) {
  uint8_t bytes[2] = {};
  Switchboard board;
  RC_ASSERT(board.AddRegion("0", {bytes, 1}).ok());
  RC_ASSERT(board.AddRegion("1", {bytes + 1, 1}).ok());
  std::array<Guest, 5> guests;
  std::array<std::unique_ptr<Switchboard::Port>, 5> ports;
  std::array<int, 5> region = {};
  const auto steps =
      *rc::gen::container<std::vector<std::tuple<int, int, int>>>(
          rc::gen::tuple(rc::gen::inRange(0, 5), rc::gen::inRange(0, 5),
                         rc::gen::inRange(0, 6)));
  for (const auto& [what, who, which] : steps) {
    if (what == 0) {
      ports[who].reset();
    } else if (what == 1) {
      if (ports[who] != nullptr) continue;
      region[who] = which % 2;
      PeerId lowest = 0;
      for (bool again = true; again;) {
        again = false;
        for (int i = 0; i < 5; ++i) {
          if (ports[i] != nullptr && region[i] == region[who] &&
              ports[i]->id() == lowest) {
            ++lowest;
            again = true;
          }
        }
      }
      auto port =
          board.Bind(std::to_string(region[who]), 1, *guests[who].device);
      RC_ASSERT(port.ok());
      ports[who] = *std::move(port);
      RC_ASSERT(ports[who]->id() == lowest);
    } else {
      std::array<int, 5> expected;
      for (int i = 0; i < 5; ++i) {
        const bool reached = ports[who] != nullptr && ports[i] != nullptr &&
                             region[i] == region[who] &&
                             ports[i]->id() == which;
        expected[i] = guests[i].interrupts + (reached ? 1 : 0);
      }
      guests[who].Ring(static_cast<PeerId>(which), 1);
      for (int i = 0; i < 5; ++i) {
        RC_ASSERT(guests[i].interrupts == expected[i]);
      }
    }
  }
}

// A device removed while others ring it: no ring reaches it once its port is
// gone, and nobody keeps a peer that has left.
TEST_F(SwitchboardTest, RingsAgainstBindAndUnbind) {
  std::array<Guest, 2> ringers;
  std::array<std::unique_ptr<Switchboard::Port>, 2> ports = {
      Bind(ringers[0], 100), Bind(ringers[1], 101)};
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (Guest& ringer : ringers) {
    threads.emplace_back([&ringer, &stop] {
      for (uint32_t i = 0; !stop; ++i) {
        ringer.Ring(static_cast<PeerId>(i % 3), static_cast<Vector>(i % 2));
      }
    });
  }
  for (int t = 0; t < 2; ++t) {
    threads.emplace_back([this, t] {
      for (int i = 0; i < 150; ++i) {
        Guest guest;
        std::atomic<bool> bound{true};
        std::atomic<bool> late{false};
        guest.on_interrupt = [&] {
          if (!bound) late = true;
        };
        auto port = board_.Bind("one", 64, *guest.device);
        ASSERT_TRUE(port.ok());
        if ((i + t) % 3 == 0) guest.Ring((*port)->id(), 0);
        port->reset();
        bound = false;
        EXPECT_FALSE(late);
      }
    });
  }
  threads[2].join();
  threads[3].join();
  stop = true;
  threads[0].join();
  threads[1].join();
  EXPECT_EQ(ringers[0].device->peers().Connections().size(), 4u);
  EXPECT_EQ(ringers[1].device->peers().Connections().size(), 4u);
}

}  // namespace
}  // namespace ivshmem
