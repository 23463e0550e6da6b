// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The short cuts of a whole PCI device on the mock host: doorbells that the
// hypervisor rings and interrupts that it routes.

#include "device/shortcuts.h"

#include <memory>
#include <vector>

#include "device/shortcuts_world.h"
#include "gmock/gmock.h"

namespace ivshmem {
namespace {

using mock::Entry;
using mock::Operation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using MissPolicy = DoorbellAccelerator::MissPolicy;

constexpr PeerId kOwn = World::kOwn;

// A doorbell is rung by the hypervisor as soon as the executor got to it;
// before, the trapped path rings it. The guest sees no difference.
TEST(DoorbellShortcutTest, TrappedPathCoversTheGap) {
  World world;
  const EventHandle event = world.Connect(7, 1);
  world.guest.Enumerate();
  world.guest.Ring(7, 1);
  EXPECT_EQ(world.rung(), 1u);
  world.host.executor().RunAll();
  world.guest.Ring(7, 1);
  EXPECT_EQ(world.rung(), 1u) << "the hypervisor's own is not counted";
  EXPECT_EQ(world.host.events().count(event), 2u);
}

// Without an executor it is done at once.
TEST(DoorbellShortcutTest, AtOnceWithoutAnExecutor) {
  World world({}, /*with_executor=*/false);
  const EventHandle event = world.Connect(7, 1);
  world.guest.Enumerate();
  world.guest.Ring(7, 1);
  EXPECT_EQ(world.rung(), 0u);
  EXPECT_EQ(world.host.events().count(event), 1u);
}

// Only a connected pair is bound, with its exact value; its own id as well.
TEST(DoorbellShortcutTest, ExactValues) {
  World world({}, false);
  world.guest.Enumerate();
  world.Connect(7, 0);
  world.Connect(7, 2);
  world.Connect(kOwn, 0);
  EXPECT_EQ(world.host.accelerator().size(), 3u);
  world.guest.Ring(7, 1);
  world.guest.Ring(8, 0);
  EXPECT_EQ(world.guest.device().count(RingResult::kNoSuchVector), 1u);
  EXPECT_EQ(world.guest.device().count(RingResult::kNoSuchPeer), 1u);
}

// A notifier without an event (a device in the same process) stays trapped.
TEST(DoorbellShortcutTest, NotifiersWithoutEventsStayTrapped) {
  World world({}, false);
  world.guest.Enumerate();
  world.Connect(7, 0, mock::EventNotifier::Exposure::kHidden);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  EXPECT_EQ(world.host.faults().calls(Operation::kBindDoorbell), 0u);
  EXPECT_EQ(world.events.count(DeviceEvent::Kind::kDoorbellNotAccelerated), 0);
  world.guest.Ring(7, 0);
  EXPECT_EQ(world.rung(), 1u);
}

// It does not keep others from being bound.
TEST(DoorbellShortcutTest, NotifiersWithoutEventsLeaveOthersBound) {
  World world({}, false);
  world.Connect(7, 0, mock::EventNotifier::Exposure::kHidden);
  world.Connect(8, 0);
  world.guest.Enumerate();
  EXPECT_EQ(world.host.accelerator().size(), 1u);
}

// What no longer holds is gone when the guest's write returns, executor or not:
// decode off, a moved BAR, a peer that left.
TEST(DoorbellShortcutTest, TakenDownAtOnce) {
  World world;
  const EventHandle event = world.Connect(7, 0);
  world.guest.Enumerate();
  world.host.executor().RunAll();
  ASSERT_EQ(world.host.accelerator().size(), 1u);

  world.guest.SetCommand(0);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  world.guest.SetCommand(PciGuest::kDecodeAndMaster);
  world.host.executor().RunAll();
  ASSERT_EQ(world.host.accelerator().size(), 1u);

  world.guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  world.guest.Ring(7, 0);  // At the old place.
  EXPECT_EQ(world.host.events().count(event), 0u);
  world.host.executor().RunAll();
  world.host.space().Write32(0xfd00000c, Doorbell{7, 0}.Encode());
  EXPECT_EQ(world.host.events().count(event), 1u);
  EXPECT_EQ(world.rung(), 0u);

  world.guest.device().peers().Disconnect(7);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
}

// A peer that comes back under its id is rung, not the one that left.
TEST(DoorbellShortcutTest, PeerThatComesBack) {
  World world({}, false);
  world.guest.Enumerate();
  const EventHandle old_event = world.Connect(7, 0);
  const EventHandle new_event = world.Connect(7, 0);
  world.guest.Ring(7, 0);
  EXPECT_EQ(world.host.events().count(old_event), 0u);
  EXPECT_EQ(world.host.events().count(new_event), 1u);
}

// One event may carry vectors of several peers: each is bound by itself, and
// goes by itself.
TEST(DoorbellShortcutTest, PeersThatShareAnEvent) {
  World world({}, false);
  world.guest.Enumerate();
  const EventHandle event = world.host.events().Create();
  const auto notifier =
      std::make_shared<mock::EventNotifier>(world.host.events(), event);
  for (const PeerId peer : {7, 8}) {
    ASSERT_TRUE(world.guest.device().peers().Connect(peer, 0, notifier).ok());
  }
  EXPECT_EQ(world.host.accelerator().size(), 2u);
  world.guest.device().peers().Disconnect(7);
  EXPECT_EQ(world.host.accelerator().size(), 1u);
  world.guest.Ring(7, 0);
  EXPECT_EQ(world.host.events().count(event), 0u);
  world.guest.Ring(8, 0);
  EXPECT_EQ(world.host.events().count(event), 1u);
}

// A full accelerator leaves the rest on the trapped path: all are delivered.
TEST(DoorbellShortcutTest, OutOfSpaceIsNoFault) {
  World world({.doorbell_capacity = 3}, false);
  world.guest.Enumerate();
  std::vector<EventHandle> events;
  for (PeerId peer = 10; peer < 18; ++peer) {
    events.push_back(world.Connect(peer, 0));
  }
  EXPECT_EQ(world.host.accelerator().size(), 3u);
  EXPECT_GT(world.events.count(DeviceEvent::Kind::kDoorbellNotAccelerated), 0);
  for (PeerId peer = 10; peer < 18; ++peer) world.guest.Ring(peer, 0);
  for (const EventHandle event : events) {
    EXPECT_EQ(world.host.events().count(event), 1u);
  }
  EXPECT_EQ(world.rung(), 5u);
  // Room that a leaving peer makes is used.
  world.guest.device().peers().Disconnect(10);
  EXPECT_EQ(world.host.accelerator().size(), 3u);
}

// Where a miss is swallowed (ACRN), all connected pairs are bound or none.
TEST(DoorbellShortcutTest, SwallowedMissesMeanAllOrNone) {
  World world({.miss_policy = MissPolicy::kSwallowed, .doorbell_capacity = 2},
              false);
  world.guest.Enumerate();
  const EventHandle first = world.Connect(7, 0);
  const EventHandle second = world.Connect(8, 0);
  EXPECT_EQ(world.host.accelerator().size(), 2u);
  const EventHandle third = world.Connect(9, 0);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  for (const PeerId peer : {7, 8, 9}) world.guest.Ring(peer, 0);
  for (const EventHandle event : {first, second, third}) {
    EXPECT_EQ(world.host.events().count(event), 1u);
  }
  world.guest.device().peers().Disconnect(8);
  EXPECT_EQ(world.host.accelerator().size(), 2u);
  world.Connect(11, 0, mock::EventNotifier::Exposure::kHidden);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
}

// There, a ring of one that has just come is not lost because others are bound:
// until all can be, none is.
TEST(DoorbellShortcutTest, SwallowedMissesSpareNewcomers) {
  World world({.miss_policy = MissPolicy::kSwallowed});
  world.guest.Enumerate();
  world.Connect(7, 0);
  world.host.executor().RunAll();
  EXPECT_EQ(world.host.accelerator().size(), 1u);
  for (const PeerId newcomer : {8, 9, 10}) {
    const EventHandle event = world.Connect(newcomer, 0);
    world.guest.Ring(newcomer, 0);
    EXPECT_EQ(world.host.events().count(event), 1u);
    world.host.executor().RunAll();
    EXPECT_EQ(world.host.accelerator().size(), newcomer - 6u);
  }
}

// There, doorbells that could not be bound are not asked for again because a
// vector is masked.
TEST(DoorbellShortcutTest, SwallowedMissesAreNoMatterOfRoutes) {
  World world({.miss_policy = MissPolicy::kSwallowed}, false);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.ConnectOwn(0);
  world.host.faults().FailAll(Operation::kBindDoorbell,
                              absl::InternalError("not now"));
  world.Connect(7, 0);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  const uint64_t asked = world.host.faults().calls(Operation::kBindDoorbell);
  world.guest.MaskVector(0, true);
  world.guest.MaskVector(0, false);
  EXPECT_EQ(world.host.router().size(), 1u);
  EXPECT_EQ(world.host.faults().calls(Operation::kBindDoorbell), asked);
}

// There, what stays is not bound anew because somebody else goes.
TEST(DoorbellShortcutTest, SwallowedMissesLeaveOthersBound) {
  World world({.miss_policy = MissPolicy::kSwallowed}, false);
  world.guest.Enumerate();
  world.Connect(7, 0);
  const EventHandle event = world.Connect(8, 0);
  world.host.log().Take();
  world.guest.device().peers().Disconnect(8);
  EXPECT_THAT(world.host.log().Take(), ElementsAre(Entry::UnbindDoorbell(
                                           PciGuest::kBar0 + kDoorbellOffset,
                                           Doorbell{8, 0}.Encode(), event)));
}

// When BAR0 moves, its doorbells go before anything else may be seen there.
TEST(DoorbellShortcutTest, GoBeforeTheRegisters) {
  World world;
  world.guest.Enumerate();
  const EventHandle event = world.Connect(7, 0);
  world.host.executor().RunAll();
  world.host.log().Take();
  world.guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_THAT(
      world.host.log().Take(),
      ElementsAre(Entry::UnbindDoorbell(PciGuest::kBar0 + kDoorbellOffset,
                                        Doorbell{7, 0}.Encode(), event),
                  Entry::Unclaim(PciGuest::kBar0, 0x100),
                  Entry::Claim(0xfd000000, 0x100)));
}

// Registers that could not be shown are not rung past the device either.
TEST(DoorbellShortcutTest, NotBoundWhereTheBarFailed) {
  World world({}, false);
  world.Connect(7, 0);
  world.host.faults().FailNth(Operation::kClaim, 1, absl::InternalError("x"));
  world.guest.Enumerate();
  EXPECT_EQ(world.events.count(DeviceEvent::Kind::kMapFailed), 1);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
}

// However often the guest changes things, the executor has one piece of work.
TEST(DoorbellShortcutTest, GuestCannotFillTheQueue) {
  World world;
  world.Connect(7, 0);
  for (int i = 0; i < 1000; ++i) {
    world.guest.SetCommand(PciGuest::kDecodeAndMaster);
    world.guest.SetCommand(0);
  }
  EXPECT_LE(world.host.executor().pending(), 1u);
}

// Work that the executor still has when the device goes does nothing.
TEST(DoorbellShortcutTest, DeviceGoneBeforeItsWork) {
  mock::Host host;
  {
    EventRecorder events;
    PciGuest guest(host, {}, PciGuest::Everything(host, &events));
    guest.Enumerate();
    guest.EnableMsix();
  }
  host.executor().RunAll();
  EXPECT_EQ(host.accelerator().size(), 0u);
  EXPECT_EQ(host.router().size(), 0u);
}

// A vector's event becomes an interrupt without this process once MSI-X lets it
// through, and becomes pending through this process while it does not.
TEST(RouteShortcutTest, FollowsTheMask) {
  World world;
  const EventHandle event = world.ConnectOwn(0);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.host.events().Signal(event);
  EXPECT_EQ(world.guest.device().count(InterruptResult::kDelivered), 1u);
  world.host.executor().RunAll();
  ASSERT_EQ(world.host.router().size(), 1u);
  world.host.events().Signal(event);
  EXPECT_EQ(world.guest.device().count(InterruptResult::kDelivered), 1u);
  EXPECT_THAT(world.host.msi().Take(),
              ElementsAre(PciGuest::Message(0), PciGuest::Message(0)));

  world.guest.MaskVector(0, true);
  EXPECT_EQ(world.host.router().size(), 0u);
  world.host.events().Signal(event);
  EXPECT_THAT(world.host.msi().Take(), IsEmpty());
  EXPECT_EQ(world.host.space().Read32(PciGuest::kBar1 + 0x800), 1u);
  world.guest.MaskVector(0, false);
  EXPECT_THAT(world.host.msi().Take(), ElementsAre(PciGuest::Message(0)));
  world.host.executor().RunAll();
  EXPECT_EQ(world.host.router().size(), 1u);
}

// Nobody in this process takes the event's signals while it is routed. Those
// that it held have been sent if it was, and else not.
TEST(RouteShortcutTest, SignalsAreHeldMeanwhile) {
  class Held : public Notifier {
   public:
    explicit Held(EventHandle event) : event_(event) {}
    Outcome Signal() noexcept override { return Outcome::kSignalled; }
    EventHandle event() const noexcept override { return event_; }
    void HoldSignals() noexcept override { ++held; }
    void ReleaseSignals(bool sent) noexcept override {
      (sent ? released_sent : released_unsent) = held;
    }
    int held = 0;
    int released_sent = 0;
    int released_unsent = 0;

   private:
    const EventHandle event_;
  };
  World world({.route_capacity = 1});
  std::vector<std::shared_ptr<Held>> own;
  for (Vector vector = 0; vector < 2; ++vector) {
    own.push_back(std::make_shared<Held>(world.host.events().Create()));
    ASSERT_TRUE(
        world.guest.device().peers().Connect(kOwn, vector, own.back()).ok());
  }
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.host.executor().RunAll();
  EXPECT_EQ(own[0]->held, 1);
  EXPECT_EQ(own[0]->released_sent, 1);
  EXPECT_EQ(own[0]->released_unsent, 0);
  EXPECT_GE(own[1]->held, 1);
  EXPECT_EQ(own[1]->released_sent, 0);
  EXPECT_EQ(own[1]->released_unsent, own[1]->held);
}

// Vectors that arrive after MSI-X was enabled are routed as the others.
// Fault: qemu-late-vectors
TEST(RouteShortcutTest, VectorsMayArriveLate) {
  World world({}, false);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  EXPECT_EQ(world.host.router().size(), 0u);
  const EventHandle event = world.ConnectOwn(1);
  EXPECT_EQ(world.host.router().size(), 1u);
  world.host.events().Signal(event);
  EXPECT_THAT(world.host.msi().Take(), ElementsAre(PciGuest::Message(1)));
}

// A changed message is what is sent from then on.
TEST(RouteShortcutTest, FollowsTheMessage) {
  World world({}, false);
  const EventHandle event = world.ConnectOwn(0);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.host.space().Write32(PciGuest::kBar1 + 8, 0x99);
  world.host.events().Signal(event);
  EXPECT_THAT(world.host.msi().Take(),
              ElementsAre(pci::MsiMessage{0xfee00000, 0x99}));
}

// MSI-X off, function mask, bus master off, reset: each takes the routes down.
TEST(RouteShortcutTest, EveryGateTakesRoutesDown) {
  World world({}, false);
  world.ConnectOwn(0);
  const auto up = [&world] {
    world.guest.Enumerate();
    world.guest.EnableMsix();
    return world.host.router().size() == 1;
  };
  ASSERT_TRUE(up());
  world.guest.SetConfig(pci::kMsixControl, 2, 0);
  EXPECT_EQ(world.host.router().size(), 0u);
  ASSERT_TRUE(up());
  world.guest.SetConfig(
      pci::kMsixControl, 2,
      pci::kMsixControlEnable | pci::kMsixControlFunctionMask);
  EXPECT_EQ(world.host.router().size(), 0u);
  ASSERT_TRUE(up());
  world.guest.SetCommand(pci::kCommandMemorySpace);
  EXPECT_EQ(world.host.router().size(), 0u);
  ASSERT_TRUE(up());
  world.guest.pci().Reset();
  EXPECT_EQ(world.host.router().size(), 0u);
}

// A router without room leaves vectors to this process.
TEST(RouteShortcutTest, OutOfRoomIsNoFault) {
  World world({.route_capacity = 1}, false);
  const EventHandle first = world.ConnectOwn(0);
  const EventHandle second = world.ConnectOwn(1);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  EXPECT_EQ(world.host.router().size(), 1u);
  EXPECT_GT(world.events.count(DeviceEvent::Kind::kInterruptNotRouted), 0);
  world.host.events().Signal(first);
  world.host.events().Signal(second);
  EXPECT_THAT(world.host.msi().Take(),
              ElementsAre(PciGuest::Message(0), PciGuest::Message(1)));
}

}  // namespace
}  // namespace ivshmem
