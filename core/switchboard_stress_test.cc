// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Devices ring while others are bound, unbound and destroyed.

#include <array>
#include <atomic>
#include <memory>
#include <optional>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "core/device.h"
#include "core/switchboard.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// A device with two vectors that expects no call once it is unbound.
class Guest : private InterruptSink, private PeerTable::Listener {
 public:
  Guest() {
    device = *Device::Create(
        {.interrupts = InterruptMode::kMsix, .vectors = 2, .id = {}},
        {.interrupts = this, .peers = this});
  }

  void Ring(PeerId peer, Vector vector) {
    device->Write(kDoorbellOffset, 4, Doorbell{peer, vector}.Encode());
  }

  std::unique_ptr<Device> device;
  std::atomic<bool> bound{false};
  std::atomic<bool> late{false};
  std::atomic<uint64_t> interrupts{0};

 private:
  InterruptResult Deliver(Vector) noexcept override {
    if (!bound) late = true;
    ++interrupts;
    if (!bound) late = true;
    return InterruptResult::kDelivered;
  }
  void PeersChanged() noexcept override {
    if (!bound) late = true;
  }
};

class SwitchboardStress : public ::testing::Test {
 protected:
  SwitchboardStress() {
    EXPECT_TRUE(board_.AddRegion("one", {bytes_, sizeof(bytes_)}).ok());
  }
  std::unique_ptr<Switchboard::Port> Bind(Guest& guest,
                                          std::optional<PeerId> id = {}) {
    guest.bound = true;
    auto port = board_.Bind("one", sizeof(bytes_), *guest.device, id);
    EXPECT_TRUE(port.ok()) << port.status();
    return port.ok() ? *std::move(port) : nullptr;
  }
  static void Unbind(Guest& guest, std::unique_ptr<Switchboard::Port>& port) {
    port.reset();
    guest.bound = false;
  }

  uint8_t bytes_[64] = {};
  Switchboard board_;
};

// Two stay and ring whoever may be there; two threads bind, ring, unbind and
// destroy. Nothing is delivered to a device whose port is gone, and in the end
// nobody has a peer who left.
TEST_F(SwitchboardStress, RingsAgainstBindAndUnbind) {
  std::array<Guest, 2> stay;
  std::array<std::unique_ptr<Switchboard::Port>, 2> ports = {
      Bind(stay[0], 100), Bind(stay[1], 101)};
  std::atomic<bool> stop{false};
  std::atomic<uint64_t> reached{0};
  std::vector<std::thread> ringers;
  for (Guest& guest : stay) {
    ringers.emplace_back([&guest, &stop] {
      for (uint32_t i = 0; !stop; ++i) {
        guest.Ring(static_cast<PeerId>(i % 3), static_cast<Vector>(i / 3 % 3));
      }
    });
  }
  std::vector<std::thread> binders;
  for (int t = 0; t < 2; ++t) {
    binders.emplace_back([this, t, &reached] {
      for (int i = 0; i < 150; ++i) {
        Guest guest;
        auto port = Bind(guest);
        if ((i + t) % 3 == 0) guest.Ring(port->id(), 0);
        guest.Ring(100, 1);
        Unbind(guest, port);
        guest.device.reset();  // The guest's memory is next.
        EXPECT_FALSE(guest.late);
        reached += guest.interrupts;
      }
    });
  }
  for (std::thread& binder : binders) binder.join();
  stop = true;
  for (std::thread& ringer : ringers) ringer.join();
  for (Guest& guest : stay) {
    EXPECT_EQ(guest.device->peers().Connections().size(), 4u);
  }
  EXPECT_GE(stay[0].interrupts, 300u) << "each that came rang it";
  EXPECT_GE(reached, 100u) << "each third rang itself";
}

// All bind at once, then all unbind at once: in between each knows each, under
// an id of its own; afterwards nobody knows anybody.
TEST_F(SwitchboardStress, AllComeAndGoAtOnce) {
  constexpr size_t kGuests = 4;
  for (int run = 0; run < 60; ++run) {
    std::array<Guest, kGuests> guests;
    std::array<std::unique_ptr<Switchboard::Port>, kGuests> ports;
    const auto at_once = [&](const auto& act) {
      std::vector<std::thread> threads;
      for (size_t g = 0; g < kGuests; ++g) {
        threads.emplace_back([&act, g] { act(g); });
      }
      for (std::thread& thread : threads) thread.join();
    };
    at_once([&](size_t g) { ports[g] = Bind(guests[g]); });
    std::set<PeerId> ids;
    for (size_t g = 0; g < kGuests; ++g) {
      ids.insert(ports[g]->id());
      EXPECT_EQ(guests[g].device->peers().Connections().size(), 2 * kGuests);
    }
    EXPECT_EQ(ids, (std::set<PeerId>{0, 1, 2, 3}));
    // One comes back meanwhile, so that a bind meets unbinds.
    at_once([&](size_t g) {
      Unbind(guests[g], ports[g]);
      if (g == 0) ports[g] = Bind(guests[g]);
    });
    EXPECT_EQ(guests[0].device->peers().Connections().size(), 2u) << "itself";
    ports[0].reset();
    for (Guest& guest : guests) {
      EXPECT_TRUE(guest.device->peers().Connections().empty());
      EXPECT_FALSE(guest.device->id().has_value());
      EXPECT_FALSE(guest.late);
    }
  }
}

// Two that ring each other without end are unbound meanwhile: who rings does
// not hold up who leaves.
TEST_F(SwitchboardStress, UnbindsWhileItRings) {
  for (int run = 0; run < 60; ++run) {
    std::array<Guest, 2> guests;
    std::array<std::unique_ptr<Switchboard::Port>, 2> ports = {Bind(guests[0]),
                                                               Bind(guests[1])};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (size_t g = 0; g < 2; ++g) {
      threads.emplace_back([&guests, &stop, g] {
        while (!stop) guests[g].Ring(static_cast<PeerId>(1 - g), 0);
      });
    }
    std::thread unbinder([&] { Unbind(guests[1], ports[1]); });
    Unbind(guests[0], ports[0]);
    unbinder.join();
    stop = true;
    for (std::thread& thread : threads) thread.join();
    EXPECT_FALSE(guests[0].late);
    EXPECT_FALSE(guests[1].late);
  }
}

}  // namespace
}  // namespace ivshmem
