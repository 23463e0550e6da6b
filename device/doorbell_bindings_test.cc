// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Which doorbells are bound: what shortcuts_test.cc and doorbell_turns_test.cc
// do not ask of a whole device.

#include "device/doorbell_bindings.h"

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "core/device.h"
#include "core/events.h"
#include "device/shortcuts_world.h"
#include "device/trapped_rings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using mock::Operation;
using ::testing::IsEmpty;

// A device without an id does not ring, so the hypervisor rings nothing for it.
TEST(DoorbellBindingsTest, NoneWithoutAnId) {
  World world({}, /*with_executor=*/false);
  world.guest.Enumerate();
  const EventHandle event = world.Connect(7, 0);
  world.Connect(8, 0);
  world.guest.device().peers().Disconnect(8);
  ASSERT_EQ(world.host.accelerator().size(), 1u);
  world.guest.device().SetId(std::nullopt);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  world.guest.Ring(7, 0);
  EXPECT_EQ(world.host.events().count(event), 0u);
  EXPECT_EQ(world.guest.device().count(RingResult::kNotConfigured), 1u);
  world.guest.device().SetId(World::kOwn);
  EXPECT_EQ(world.host.accelerator().size(), 1u);
}

// Nor when the id goes after a doorbell became due, and before its turn.
TEST(DoorbellBindingsTest, NoTurnWithoutAnId) {
  World world({.doorbell_capacity = 1});
  world.guest.Enumerate();
  world.Connect(10, 0);
  world.Connect(11, 0);
  world.host.executor().RunAll();
  for (uint32_t i = 0; i < TrappedRings::kOften; ++i) world.guest.Ring(11, 0);
  world.guest.device().SetId(std::nullopt);
  world.host.executor().RunAll();
  EXPECT_EQ(world.host.accelerator().size(), 0u);
}

// Masks a vector whenever a doorbell cannot be bound.
class Masks : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    if (event.kind != DeviceEvent::Kind::kDoorbellNotAccelerated) return;
    world->guest.MaskVector(0, true);
  }
  World* world = nullptr;
};

// Something else changes while doorbells are being bound, which breaks that
// off: it goes on afterwards.
TEST(DoorbellBindingsTest, BindingGoesOnAfterOtherChanges) {
  Masks events;
  World world({},
              [&events](PciDevice::Host& offer) { offer.events = &events; });
  events.world = &world;
  for (const PeerId peer : {7, 8, 9}) world.Connect(peer, 0);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.host.faults().FailNth(Operation::kBindDoorbell, 1,
                              absl::InternalError("once"));
  world.host.executor().RunAll();
  EXPECT_EQ(world.host.accelerator().size(), 3u);
}

// What cannot be bound is asked for again when something else has gone or
// moved, not whenever somebody comes: many peers would each cost a look at all.
TEST(DoorbellBindingsTest, ThoseThatComeAreAskedForAlone) {
  World world({}, /*with_executor=*/false);
  world.guest.Enumerate();
  const auto asked = [&world] {
    return world.host.faults().calls(Operation::kBindDoorbell);
  };
  world.Connect(7, 0);
  world.host.faults().FailNth(Operation::kBindDoorbell, 1,
                              absl::InternalError("once"));
  world.Connect(8, 0);
  const uint64_t before = asked();
  for (const PeerId peer : {9, 10, 11}) world.Connect(peer, 0);
  EXPECT_EQ(asked(), before + 3);
  EXPECT_EQ(world.host.accelerator().size(), 4u);
  EXPECT_TRUE(world.guest.device().peers().Disconnect(7));
  EXPECT_EQ(world.host.accelerator().size(), 4u);
  EXPECT_EQ(asked(), before + 4);
}

// Where there was no room, the next that comes shows whether there is now, for
// those before it as well.
TEST(DoorbellBindingsTest, RoomIsSeenWhenSomebodyComes) {
  World world({}, /*with_executor=*/false);
  world.guest.Enumerate();
  world.Connect(7, 0);
  world.host.faults().FailAll(Operation::kBindDoorbell,
                              absl::ResourceExhaustedError("others have it"));
  for (const PeerId peer : {8, 9, 10}) world.Connect(peer, 0);
  EXPECT_EQ(world.host.accelerator().size(), 1u);
  world.host.faults().Clear();
  world.Connect(11, 0);
  EXPECT_EQ(world.host.accelerator().size(), 5u);
  for (uint32_t i = 0; i < 2 * TrappedRings::kOften; ++i) {
    world.guest.Ring(8, 0);
  }
  EXPECT_EQ(world.host.accelerator().size(), 5u) << "nobody takes turns";
}

// The bindings of a device with two peers.
class BindingsAloneTest : public ::testing::Test {
 protected:
  class NoInterrupts : public InterruptSink {
   public:
    InterruptResult Deliver(Vector) noexcept override {
      return InterruptResult::kDelivered;
    }
  };

  static constexpr uint64_t kHere = 0x100c;
  static constexpr uint64_t kElsewhere = 0x200c;

  explicit BindingsAloneTest(const mock::Host::Options& options = {})
      : host_(options) {
    for (const PeerId peer : {10, 11}) Connect(peer);
  }

  static bool NotStale() { return false; }

  void Connect(PeerId peer) {
    const auto notifier = std::make_shared<mock::EventNotifier>(
        host_.events(), host_.events().Create());
    EXPECT_TRUE(device_->peers().Connect(peer, 0, notifier).ok());
  }
  size_t bound() { return host_.accelerator().size(); }
  uint64_t asked() { return host_.faults().calls(Operation::kBindDoorbell); }

  mock::Host host_;
  NoInterrupts sink_;
  const std::unique_ptr<Device> device_ = *Device::Create(
      {.interrupts = InterruptMode::kMsix, .vectors = 1, .id = World::kOwn},
      {.interrupts = &sink_});
  DoorbellBindings bindings_{*device_, host_.accelerator(), nullptr};
};

// Binding "breaks off when `stale` says that something has changed again", and
// goes on with the next call.
TEST_F(BindingsAloneTest, BindingBreaksOff) {
  bindings_.Add(kHere, [] { return true; });
  EXPECT_EQ(bound(), 0u);
  int asked = 0;
  bindings_.Add(kHere, [&asked] { return ++asked > 1; });
  EXPECT_EQ(bound(), 1u);
  bindings_.Add(kHere, NotStale);
  EXPECT_EQ(bound(), 2u);
}

// What could not be bound is asked for again where the register has moved,
// though nothing had to be taken down. Where it stays, those that come are
// asked for alone.
TEST_F(BindingsAloneTest, NoneCouldBeBound) {
  host_.faults().FailAll(Operation::kBindDoorbell, absl::InternalError("no"));
  bindings_.Add(kHere, NotStale);
  EXPECT_EQ(asked(), 2u);
  Connect(12);
  bindings_.TakeDown(kHere, 1);
  bindings_.Add(kHere, NotStale);
  EXPECT_EQ(asked(), 3u);
  host_.faults().Clear();
  bindings_.Add(kElsewhere, NotStale);
  EXPECT_EQ(bound(), 3u);
}

// There was no room for any. Whoever comes shows that there is now, and all are
// bound, also when that is broken off once; nobody has to take turns then.
TEST_F(BindingsAloneTest, RoomForAll) {
  host_.faults().FailAll(Operation::kBindDoorbell,
                         absl::ResourceExhaustedError("others have it"));
  bindings_.Add(kHere, NotStale);
  EXPECT_TRUE(bindings_.crowded());
  host_.faults().Clear();
  Connect(12);
  int asked = 0;
  bindings_.Add(kHere, [&asked] { return ++asked > 1; });
  EXPECT_EQ(bound(), 1u);
  bindings_.Add(kHere, NotStale);
  EXPECT_EQ(bound(), 3u);
  EXPECT_FALSE(bindings_.crowded());
}

TEST_F(BindingsAloneTest, RoomForAllAtOnce) {
  host_.faults().FailAll(Operation::kBindDoorbell,
                         absl::ResourceExhaustedError("others have it"));
  bindings_.Add(kHere, NotStale);
  host_.faults().Clear();
  Connect(12);
  bindings_.Add(kHere, NotStale);
  EXPECT_EQ(bound(), 3u);
  EXPECT_FALSE(bindings_.crowded());
}

// There was no room for any, there is now, but the id has gone: nothing takes
// its turn.
TEST_F(BindingsAloneTest, RoomWithoutAnId) {
  host_.faults().FailAll(Operation::kBindDoorbell,
                         absl::ResourceExhaustedError("others have it"));
  bindings_.Add(kHere, NotStale);
  host_.faults().Clear();
  device_->SetId(std::nullopt);
  bindings_.TakeDown(kHere, 1);
  bindings_.Add(kHere, NotStale);
  bindings_.TakeTurn(kHere, {10, 0});
  EXPECT_EQ(bound(), 0u);
}

// There is room for one of them.
class CrowdedBindingsTest : public BindingsAloneTest {
 protected:
  CrowdedBindingsTest() : BindingsAloneTest({.doorbell_capacity = 1}) {
    bindings_.Add(kHere, NotStale);
    EXPECT_TRUE(bindings_.crowded());
    host_.log().Take();
  }
};

// Nothing takes a turn where doorbells are not bound now, nor does one that is
// bound, or that nobody has.
TEST_F(CrowdedBindingsTest, TurnsAreTakenWhereDoorbellsAreBound) {
  bindings_.TakeTurn(kElsewhere, {11, 0});
  bindings_.TakeTurn(std::nullopt, {11, 0});
  bindings_.TakeTurn(kHere, {10, 0});
  bindings_.TakeTurn(kHere, {12, 0});
  EXPECT_THAT(host_.log().Take(), IsEmpty());
  EXPECT_EQ(host_.accelerator().size(), 1u);
}

// Each that comes is asked for once, while there is no room.
TEST_F(CrowdedBindingsTest, ThoseThatComeAreAskedForOnce) {
  const uint64_t before = asked();
  for (const PeerId peer : {12, 13, 14}) {
    Connect(peer);
    bindings_.TakeDown(kHere, 1);
    bindings_.Add(kHere, NotStale);
  }
  EXPECT_EQ(asked(), before + 3);
  EXPECT_TRUE(bindings_.crowded());
  bindings_.Add(kHere, NotStale);
  EXPECT_EQ(asked(), before + 3);
  EXPECT_TRUE(bindings_.crowded()) << "nobody has come, and there is no room";
}

// Nothing is bound while something is bound elsewhere.
TEST_F(CrowdedBindingsTest, NothingIsBoundInTwoPlaces) {
  bindings_.Add(kElsewhere, NotStale);
  EXPECT_THAT(host_.log().Take(), IsEmpty());
  bindings_.TakeDown(kElsewhere, 1);
  EXPECT_EQ(host_.accelerator().size(), 0u);
  bindings_.Add(kElsewhere, NotStale);
  EXPECT_EQ(host_.accelerator().size(), 1u);
}

}  // namespace
}  // namespace ivshmem
