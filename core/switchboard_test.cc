// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/switchboard.h"

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// A device that counts the interrupts of each of its vectors.
class Guest : private InterruptSink {
 public:
  explicit Guest(int vectors = 2) : interrupts(vectors) {
    device = *Device::Create({.interrupts = vectors == 0 ? InterruptMode::kNone
                                                         : InterruptMode::kMsix,
                              .vectors = vectors,
                              .id = {}},
                             {.interrupts = this});
  }

  // The result that the device has counted.
  RingResult Ring(PeerId peer, Vector vector) {
    std::array<uint64_t, static_cast<size_t>(RingResult::kCount)> before;
    for (size_t i = 0; i < before.size(); ++i) {
      before[i] = device->count(static_cast<RingResult>(i));
    }
    device->Write(kDoorbellOffset, 4, Doorbell{peer, vector}.Encode());
    for (size_t i = 0; i < before.size(); ++i) {
      const auto result = static_cast<RingResult>(i);
      if (device->count(result) != before[i]) return result;
    }
    return RingResult::kCount;
  }
  std::vector<Doorbell> Peers() const {
    std::vector<Doorbell> peers;
    for (const auto& connection : device->peers().Connections()) {
      peers.push_back(connection.doorbell);
    }
    return peers;
  }

  std::unique_ptr<Device> device;
  std::vector<int> interrupts;

 private:
  InterruptResult Deliver(Vector vector) noexcept override {
    ++interrupts[vector];
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

TEST_F(SwitchboardTest, Regions) {
  EXPECT_EQ(board_.FindRegion("two")->data, bytes_ + 64);
  EXPECT_EQ(board_.FindRegion("two")->size, 32u);
  Guest guest;
  const auto port = Bind(guest);
  EXPECT_EQ(port->memory().data, bytes_);
  EXPECT_EQ(port->memory().size, 64u);
}

// "Errors: AlreadyExists, or InvalidArgument for an empty name or memory";
// "NotFound, with the names that there are".
TEST_F(SwitchboardTest, RegionErrors) {
  EXPECT_EQ(board_.AddRegion("one", {bytes_, 32}).ToString(),
            "ALREADY_EXISTS: region name: expected a new one, got 'one' twice");
  EXPECT_EQ(board_.FindRegion("one")->size, 64u) << "the first is kept";
  EXPECT_EQ(board_.AddRegion("", {bytes_, 64}).ToString(),
            "INVALID_ARGUMENT: region name: expected one character at least, "
            "got none");
  for (const SharedMemory none :
       {SharedMemory{}, SharedMemory{bytes_, 0}, SharedMemory{nullptr, 64}}) {
    EXPECT_EQ(
        board_.AddRegion("x", none).ToString(),
        "INVALID_ARGUMENT: memory of region 'x': expected some, got none");
  }
  EXPECT_EQ(board_.FindRegion("three").status().ToString(),
            "NOT_FOUND: region: expected one of [one, two], got 'three'");
  EXPECT_EQ(Switchboard().FindRegion("one").status().ToString(),
            "NOT_FOUND: region: expected one of [], got 'one'");
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
  EXPECT_TRUE(guest.Peers().empty());
  EXPECT_EQ(other.Peers().size(), 2u) << "itself";
}

// "The first client to connect receives ID zero", then "the lowest free one".
TEST_F(SwitchboardTest, LowestFreeId) {
  std::array<Guest, 5> guests;
  auto a = Bind(guests[0]);
  auto b = Bind(guests[1]);
  const auto c = Bind(guests[2], 2);
  const auto d = Bind(guests[3]);
  EXPECT_EQ(a->id(), 0);
  EXPECT_EQ(b->id(), 1);
  EXPECT_EQ(d->id(), 3) << "2 is in use";
  b.reset();
  EXPECT_EQ(Bind(guests[4])->id(), 1);
  a.reset();
  EXPECT_EQ(Bind(guests[4])->id(), 0);
}

// "`id` if given", from one end of the range to the other; each region has its
// own ids.
TEST_F(SwitchboardTest, RequestedId) {
  std::array<Guest, 3> guests;
  const auto last = Bind(guests[0], 65535);
  const auto first = Bind(guests[1], 0);
  EXPECT_EQ(last->id(), 65535);
  EXPECT_EQ(guests[0].device->id(), 65535);
  EXPECT_EQ(guests[0].device->Read(kPositionOffset, 4), 65535u);
  EXPECT_EQ(guests[1].Ring(65535, 1), RingResult::kDelivered);
  EXPECT_EQ(guests[0].interrupts, (std::vector<int>{0, 1}));
  EXPECT_TRUE(board_.Bind("two", 32, *guests[2].device, 65535).ok());
}

// "Connects `device` with all devices of the region, both ways, and with
// itself."
TEST_F(SwitchboardTest, BoundDevicesRingEachOtherAndThemselves) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  const auto port_b = Bind(b);
  EXPECT_EQ(a.Ring(1, 0), RingResult::kDelivered);
  EXPECT_EQ(a.Ring(1, 1), RingResult::kDelivered);
  EXPECT_EQ(b.interrupts, (std::vector<int>{1, 1}));
  EXPECT_EQ(b.Ring(0, 1), RingResult::kDelivered);
  EXPECT_EQ(a.interrupts, (std::vector<int>{0, 1}));
  EXPECT_EQ(b.Ring(1, 0), RingResult::kDelivered);
  EXPECT_EQ(b.interrupts, (std::vector<int>{2, 1}));
}

// Each device may have another number of vectors: "it has fewer interrupt
// vectors connected, the write is ignored".
TEST_F(SwitchboardTest, EachDeviceHasItsVectors) {
  Guest memory_only(0);
  Guest few(1);
  Guest many(300);
  const auto port_0 = Bind(memory_only);
  const auto port_1 = Bind(few);
  const auto port_2 = Bind(many);
  EXPECT_EQ(few.Ring(2, 299), RingResult::kDelivered);
  EXPECT_EQ(few.Ring(2, 300), RingResult::kNoSuchVector);
  EXPECT_EQ(many.interrupts[299], 1);
  EXPECT_EQ(many.Ring(1, 0), RingResult::kDelivered);
  EXPECT_EQ(many.Ring(1, 1), RingResult::kNoSuchVector);
  EXPECT_EQ(many.Ring(0, 0), RingResult::kNoSuchPeer);
  EXPECT_EQ(memory_only.Ring(1, 0), RingResult::kNotConfigured);
}

TEST_F(SwitchboardTest, RegionsAreApart) {
  Guest a;
  Guest b;
  const auto port_a = Bind(a);
  const auto port_b = board_.Bind("two", 32, *b.device, 1);
  EXPECT_EQ(a.Ring(1, 0), RingResult::kNoSuchPeer);
  EXPECT_EQ(b.interrupts, (std::vector<int>{0, 0}));
}

// "The destructor unbinds: the others lose the peer, the device its peers and
// its id."
TEST_F(SwitchboardTest, Unbinding) {
  std::array<Guest, 3> guests;
  const auto first = Bind(guests[0]);
  auto leaving = Bind(guests[1]);
  const auto last = Bind(guests[2]);
  leaving.reset();
  for (const int other : {0, 2}) {
    EXPECT_EQ(guests[other].Ring(1, 0), RingResult::kNoSuchPeer);
    EXPECT_EQ(guests[other].Peers(),
              (std::vector<Doorbell>{{0, 0}, {0, 1}, {2, 0}, {2, 1}}));
  }
  EXPECT_FALSE(guests[1].device->id().has_value());
  EXPECT_TRUE(guests[1].Peers().empty());
  EXPECT_EQ(guests[1].Ring(0, 0), RingResult::kNotConfigured);
}

// A device comes back, elsewhere or under another id; and its old id is given
// to another device, which is rung by it now.
TEST_F(SwitchboardTest, IdsAreUsedAgain) {
  Guest a;
  Guest b;
  Guest c;
  const auto port_a = Bind(a);
  auto port_b = Bind(b);
  port_b.reset();
  const auto port_c = Bind(c);
  EXPECT_EQ(port_c->id(), 1);
  EXPECT_EQ(a.Ring(1, 0), RingResult::kDelivered);
  EXPECT_EQ(b.interrupts, (std::vector<int>{0, 0}));
  EXPECT_EQ(c.interrupts, (std::vector<int>{1, 0}));
  port_b = *board_.Bind("two", 32, *b.device);
  EXPECT_EQ(b.device->id(), 0);
  port_b.reset();
  port_b = Bind(b, 5);
  EXPECT_EQ(a.Ring(5, 1), RingResult::kDelivered);
  EXPECT_EQ(b.interrupts, (std::vector<int>{0, 1}));
}

}  // namespace
}  // namespace ivshmem
