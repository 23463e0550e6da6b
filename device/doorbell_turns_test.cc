// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Doorbells that the hypervisor has no room for take turns; of many that have
// to go, a vCPU takes down a part (docs/adr/0008). A whole PCI device on the
// mock host.

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "device/shortcuts_world.h"
#include "device/trapped_rings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using mock::Entry;
using mock::Operation;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using MissPolicy = DoorbellAccelerator::MissPolicy;

constexpr uint32_t kOften = TrappedRings::kOften;
constexpr uint64_t kDoorbell = PciGuest::kBar0 + kDoorbellOffset;
constexpr size_t kRoom = 3;
constexpr PeerId kFirst = 10;
constexpr PeerId kPeers = 6;

// Six peers of one vector each, and room for three: 10, 11, 12.
class DoorbellTurnsTest : public ::testing::Test {
 protected:
  explicit DoorbellTurnsTest(bool with_executor = false)
      : world_({.doorbell_capacity = kRoom}, with_executor) {
    world_.guest.Enumerate();
    for (PeerId i = 0; i < kPeers; ++i) {
      events_.push_back(world_.Connect(kFirst + i, 0));
    }
    world_.host.executor().RunAll();
    world_.host.log().Take();
  }

  void Ring(PeerId peer, uint32_t times = 1) {
    for (uint32_t i = 0; i < times; ++i) world_.guest.Ring(peer, 0);
  }
  EventHandle event(PeerId peer) { return events_[peer - kFirst]; }
  // What became of the bindings.
  std::vector<Entry> Changes() {
    std::vector<Entry> changes;
    for (const Entry& entry : world_.host.log().Take()) {
      if (entry.operation == Operation::kBindDoorbell &&
          entry.kind != Entry::Kind::kSignal) {
        changes.push_back(entry);
      }
    }
    return changes;
  }
  Entry Binds(PeerId peer) {
    return Entry::BindDoorbell(kDoorbell, Doorbell{peer, 0}.Encode(),
                               event(peer));
  }
  Entry Unbinds(PeerId peer) {
    return Entry::UnbindDoorbell(kDoorbell, Doorbell{peer, 0}.Encode(),
                                 event(peer));
  }
  static Entry Refused() {
    return Entry::Refuse(Operation::kBindDoorbell, kDoorbell,
                         absl::StatusCode::kResourceExhausted);
  }
  // Whether the hypervisor rings it, which the device does not count.
  bool Bound(PeerId peer) {
    const uint64_t before = world_.rung();
    Ring(peer);
    return world_.rung() == before;
  }

  World world_;
  std::vector<EventHandle> events_;
};

// A doorbell that is trapped and rung often gets the place of the one that has
// been bound longest. Each ring arrives, that which made the turn too.
TEST_F(DoorbellTurnsTest, OfTheOneBoundLongest) {
  Ring(14, kOften - 1);
  EXPECT_THAT(Changes(), IsEmpty());
  Ring(14);
  EXPECT_THAT(Changes(), ElementsAre(Refused(), Unbinds(10), Binds(14)));
  EXPECT_EQ(world_.host.events().count(event(14)), kOften);
  EXPECT_TRUE(Bound(14));
  EXPECT_FALSE(Bound(10));
  EXPECT_EQ(world_.host.events().count(event(14)), kOften + 1);
  EXPECT_EQ(world_.host.events().count(event(10)), 1u);
}

// The one that lost its place is noticed in its turn, and gets the place of who
// is the longest bound by then.
TEST_F(DoorbellTurnsTest, OneAfterTheOther) {
  Ring(14, kOften);
  Ring(10, kOften);
  Ring(13, kOften);
  EXPECT_THAT(Changes(), ElementsAre(Refused(), Unbinds(10), Binds(14),  //
                                     Refused(), Unbinds(11), Binds(10),  //
                                     Refused(), Unbinds(12), Binds(13)));
  Ring(12, kOften);
  EXPECT_THAT(Changes(), ElementsAre(Refused(), Unbinds(14), Binds(12)));
}

// What is bound is rung by the hypervisor and makes no turn.
TEST_F(DoorbellTurnsTest, BoundOnesMakeNone) {
  Ring(11, 10 * kOften);
  EXPECT_THAT(Changes(), IsEmpty());
}

// Nor do rings of peers and vectors that are not there.
TEST_F(DoorbellTurnsTest, AbsentOnesMakeNone) {
  Ring(99, 2 * kOften);
  for (uint32_t i = 0; i < 2 * kOften; ++i) world_.guest.Ring(14, 1);
  EXPECT_THAT(Changes(), IsEmpty());
}

// A notifier without an event can have no place, and takes nobody's.
TEST_F(DoorbellTurnsTest, NotifiersWithoutEventsTakeNone) {
  world_.Connect(30, 0, mock::EventNotifier::Exposure::kHidden);
  Changes();
  Ring(30, 2 * kOften);
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_TRUE(Bound(10));
}

// Room that there is by now (others share it) is used, and nobody loses a
// place.
TEST_F(DoorbellTurnsTest, RoomThatCameFreeIsUsedFirst) {
  World world({}, /*with_executor=*/false);
  world.guest.Enumerate();
  world.Connect(10, 0);
  world.host.faults().FailNth(Operation::kBindDoorbell, 1,
                              absl::ResourceExhaustedError("others have it"));
  world.Connect(11, 0);
  ASSERT_EQ(world.host.accelerator().size(), 1u);
  for (uint32_t i = 0; i < kOften; ++i) world.guest.Ring(11, 0);
  EXPECT_EQ(world.host.accelerator().size(), 2u);
}

// Somebody else is faster: the place is lost, nothing else; a later turn finds
// room again.
TEST_F(DoorbellTurnsTest, AnotherTakesThePlace) {
  world_.host.faults().FailAll(Operation::kBindDoorbell,
                               absl::ResourceExhaustedError("others are fast"));
  Ring(14, kOften);
  EXPECT_EQ(world_.host.accelerator().size(), kRoom - 1);
  EXPECT_FALSE(Bound(14));
  EXPECT_FALSE(Bound(10));
  world_.host.faults().Clear();
  Changes();
  Ring(14, kOften);
  EXPECT_THAT(Changes(), ElementsAre(Binds(14)));
}

// No place at all: nothing to take.
TEST_F(DoorbellTurnsTest, NoPlaceAtAll) {
  World world({.doorbell_capacity = 0}, /*with_executor=*/false);
  world.guest.Enumerate();
  const EventHandle event = world.Connect(10, 0);
  for (uint32_t i = 0; i < 2 * kOften; ++i) world.guest.Ring(10, 0);
  EXPECT_EQ(world.host.events().count(event), 2 * kOften);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
}

// When all have room again, nobody counts any more.
TEST_F(DoorbellTurnsTest, EndWithTheCrowd) {
  const EventHandle hidden =
      world_.Connect(30, 0, mock::EventNotifier::Exposure::kHidden);
  for (const PeerId peer : {13, 14, 15}) {
    world_.guest.device().peers().Disconnect(peer);
  }
  ASSERT_EQ(world_.host.accelerator().size(), kRoom);
  const uint64_t calls = world_.host.faults().calls(Operation::kBindDoorbell);
  Ring(30, 2 * kOften);
  EXPECT_EQ(world_.host.events().count(hidden), 2 * kOften);
  EXPECT_EQ(world_.host.faults().calls(Operation::kBindDoorbell), calls);
}

// Where a miss is swallowed there are no turns: all are bound or none.
TEST(DoorbellTurnsOfAllOrNone, ThereAreNone) {
  World world({.miss_policy = MissPolicy::kSwallowed, .doorbell_capacity = 1},
              /*with_executor=*/false);
  world.guest.Enumerate();
  world.Connect(10, 0);
  world.Connect(11, 0);
  for (uint32_t i = 0; i < 2 * kOften; ++i) world.guest.Ring(11, 0);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  EXPECT_EQ(world.rung(), 2 * kOften);
}

class DoorbellTurnsByExecutorTest : public DoorbellTurnsTest {
 protected:
  DoorbellTurnsByExecutorTest() : DoorbellTurnsTest(/*with_executor=*/true) {}
};

// The executor makes the turn: the vCPU that rings does not wait for it, and
// its rings arrive meanwhile.
TEST_F(DoorbellTurnsByExecutorTest, TheVcpuDoesNotWait) {
  Ring(14, 3 * kOften);
  EXPECT_THAT(Changes(), IsEmpty());
  EXPECT_EQ(world_.host.events().count(event(14)), 3 * kOften);
  EXPECT_EQ(world_.host.executor().pending(), 1u);
  world_.host.executor().RunAll();
  EXPECT_THAT(Changes(), ElementsAre(Refused(), Unbinds(10), Binds(14)));
}

// Of several that are due, the last; the others are rung again, or need none.
TEST_F(DoorbellTurnsByExecutorTest, OneAtATime) {
  Ring(13, kOften);
  Ring(14, kOften);
  world_.host.executor().RunAll();
  EXPECT_THAT(Changes(), ElementsAre(Refused(), Unbinds(10), Binds(14)));
}

// When all have room again, rings are not counted: whatever is trapped for
// another reason makes no work.
TEST_F(DoorbellTurnsByExecutorTest, NobodyCountsWithoutACrowd) {
  world_.Connect(30, 0, mock::EventNotifier::Exposure::kHidden);
  for (const PeerId peer : {13, 14, 15}) {
    world_.guest.device().peers().Disconnect(peer);
  }
  world_.host.executor().RunAll();
  Ring(30, 2 * kOften);
  EXPECT_EQ(world_.host.executor().pending(), 0u);
}

// Room came, and the doorbell was bound, before its turn: it takes no other's.
TEST_F(DoorbellTurnsByExecutorTest, ItHasBeenBoundMeanwhile) {
  Ring(13, kOften);
  world_.guest.device().peers().Disconnect(10);
  world_.host.executor().RunAll();
  EXPECT_THAT(Changes(), ElementsAre(Unbinds(10), Binds(13), Refused()));
}

// The peer has gone, or come back, before its turn.
TEST_F(DoorbellTurnsByExecutorTest, ThePeerHasGone) {
  Ring(14, kOften);
  world_.guest.device().peers().Disconnect(14);
  world_.host.executor().RunAll();
  EXPECT_TRUE(Bound(10));
  EXPECT_EQ(world_.host.accelerator().size(), kRoom);
}

TEST_F(DoorbellTurnsByExecutorTest, ThePeerHasComeBack) {
  Ring(14, kOften);
  world_.guest.device().peers().Disconnect(14);
  const EventHandle event = world_.Connect(14, 0);
  world_.host.executor().RunAll();
  EXPECT_TRUE(Bound(14));
  EXPECT_EQ(world_.host.events().count(event), 1u);
}

// The register has moved, or is out of sight, before the turn: nothing is bound
// where it was.
TEST_F(DoorbellTurnsByExecutorTest, TheRegisterHasGone) {
  Ring(14, kOften);
  world_.guest.SetCommand(0);
  world_.host.executor().RunAll();
  EXPECT_EQ(world_.host.accelerator().size(), 0u);
}

TEST_F(DoorbellTurnsByExecutorTest, TheRegisterHasMoved) {
  Ring(14, kOften);
  world_.guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  Changes();
  world_.host.executor().RunAll();
  EXPECT_THAT(Changes(), Each(Field("address", &Entry::address,
                                    uint64_t{0xfd000000} + kDoorbellOffset)));
  EXPECT_EQ(world_.host.accelerator().size(), kRoom);
}

// As many as a vCPU takes down itself, and eight more.
class ManyDoorbellsTest : public ::testing::Test {
 protected:
  static constexpr PeerId kMany = Shortcuts::kAtOnce + 8;

  explicit ManyDoorbellsTest(const mock::Host::Options& options = {},
                             bool with_executor = true)
      : world_(options, with_executor) {
    world_.guest.Enumerate();
    for (PeerId i = 0; i < kMany; ++i) {
      events_.push_back(world_.Connect(kFirst + i, 0));
    }
    world_.host.executor().RunAll();
    EXPECT_EQ(bound(), kMany);
    world_.host.log().Take();
  }

  size_t bound() { return world_.host.accelerator().size(); }

  World world_;
  std::vector<EventHandle> events_;
};

// The vCPU that turns off decode takes down so many, the executor the rest.
TEST_F(ManyDoorbellsTest, AreTakenDownInPart) {
  world_.guest.SetCommand(0);
  EXPECT_EQ(bound(), kMany - Shortcuts::kAtOnce);
  EXPECT_EQ(world_.host.executor().pending(), 1u);
  world_.host.executor().RunAll();
  EXPECT_EQ(bound(), 0u);
}

// So does who moves BAR0.
TEST_F(ManyDoorbellsTest, AreTakenDownInPartWhenTheyMove) {
  world_.guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_EQ(bound(), kMany - Shortcuts::kAtOnce);
}

// Each further change of where doorbells are or to whom they lead takes down as
// many again; changes of something else none.
TEST_F(ManyDoorbellsTest, FurtherChangesTakeDownMore) {
  world_.guest.SetCommand(0);
  world_.guest.SetConfig(pci::kMsixControl, 2, pci::kMsixControlEnable);
  EXPECT_EQ(bound(), kMany - Shortcuts::kAtOnce);
  world_.guest.device().peers().Disconnect(kFirst);
  EXPECT_EQ(bound(), 0u);
}

// Nothing is bound anew before all has gone that has to.
TEST_F(ManyDoorbellsTest, AllGoBeforeAnyIsBoundAnew) {
  world_.guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  world_.host.executor().RunAll();
  EXPECT_EQ(bound(), kMany);
  PeerId gone = 0;
  PeerId anew = 0;
  for (const Entry& entry : world_.host.log().Take()) {
    if (entry.operation != Operation::kBindDoorbell) continue;
    if (entry.kind == Entry::Kind::kUndone) ++gone;
    if (entry.kind == Entry::Kind::kDone) {
      EXPECT_EQ(gone, kMany);
      ++anew;
    }
  }
  EXPECT_EQ(anew, kMany);
  for (PeerId i = 0; i < kMany; ++i) {
    world_.host.space().Write32(0xfd000000 + kDoorbellOffset,
                                Doorbell{PeerId(kFirst + i), 0}.Encode());
    EXPECT_EQ(world_.host.events().count(events_[i]), 1u) << i;
  }
  EXPECT_EQ(world_.rung(), 0u);
}

// Decode goes off and on before the executor came to it: all are bound in the
// end.
TEST_F(ManyDoorbellsTest, OffAndOnAgain) {
  world_.guest.SetCommand(0);
  world_.guest.SetCommand(PciGuest::kDecodeAndMaster);
  world_.host.executor().RunAll();
  EXPECT_EQ(bound(), kMany);
  for (PeerId i = 0; i < kMany; ++i) world_.guest.Ring(kFirst + i, 0);
  EXPECT_EQ(world_.rung(), 0u);
}

class ManyDoorbellsWithoutExecutorTest : public ManyDoorbellsTest {
 protected:
  ManyDoorbellsWithoutExecutorTest() : ManyDoorbellsTest({}, false) {}
};

// Without an executor everything is done on the spot.
TEST_F(ManyDoorbellsWithoutExecutorTest, AreTakenDownAtOnce) {
  world_.guest.SetCommand(0);
  EXPECT_EQ(bound(), 0u);
}

class ManyDoorbellsAllOrNoneTest : public ManyDoorbellsTest {
 protected:
  ManyDoorbellsAllOrNoneTest()
      : ManyDoorbellsTest({.miss_policy = MissPolicy::kSwallowed}) {}
};

// Where all or none are bound, all go at once: what is left would swallow the
// others' rings.
TEST_F(ManyDoorbellsAllOrNoneTest, AreTakenDownAtOnce) {
  world_.guest.SetCommand(0);
  EXPECT_EQ(bound(), 0u);
}

// So do those of peers that have gone.
TEST_F(ManyDoorbellsAllOrNoneTest, OfGonePeersAreTakenDownAtOnce) {
  world_.guest.device().peers().DisconnectAll();
  EXPECT_EQ(bound(), 0u);
}

// BAR0 moves while doorbells are being bound, after what had to go has gone:
// here by a guest's handler that is interrupted by a route that has just been
// made. None stays bound at the old place.
TEST(DoorbellRaceTest, TheRegisterMovesWhileOthersAreBound) {
  World world;
  const EventHandle event = world.Connect(7, 0);
  const EventHandle own = world.Connect(World::kOwn, 0);
  world.guest.Enumerate();
  world.host.executor().RunAll();
  ASSERT_EQ(world.host.accelerator().size(), 2u);

  world.host.events().Signal(own);  // Held until there is a route.
  world.host.msi().SetCallback([&world](const pci::MsiMessage&) {
    world.guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  });
  world.guest.EnableMsix();
  world.Connect(8, 0);
  world.host.executor().RunAll();
  ASSERT_THAT(world.host.msi().all(), SizeIs(1));

  world.host.space().Write32(kDoorbell, Doorbell{7, 0}.Encode());
  EXPECT_EQ(world.host.events().count(event), 0u);
  world.host.space().Write32(0xfd000000 + kDoorbellOffset,
                             Doorbell{7, 0}.Encode());
  EXPECT_EQ(world.host.events().count(event), 1u);
  EXPECT_EQ(world.rung(), 0u);
}

}  // namespace
}  // namespace ivshmem
