// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Which vectors of a PCI device are routed on the mock host, and what the
// router is asked. What a guest sees of it is in shortcuts_test.cc.

#include "device/irq_routes.h"

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "backends/irq_router.h"
#include "backends/registration.h"
#include "bus/pci/msi.h"
#include "bus/pci/registers.h"
#include "core/notifier.h"
#include "device/shortcuts_world.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using mock::Entry;
using mock::Operation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Each vector, the first and the last, has a route of its own: a change of one
// leaves the other's as it is.
TEST(IrqRoutesTest, EachVectorByItself) {
  World world({}, /*with_executor=*/false);
  const EventHandle events[] = {world.ConnectOwn(0), world.ConnectOwn(1)};
  world.guest.Enumerate();
  world.guest.EnableMsix();
  EXPECT_EQ(world.host.router().size(), 2u);
  world.host.log().Take();
  for (const int vector : {0, 1}) {
    world.guest.MaskVector(vector, true);
    EXPECT_THAT(world.host.log().Take(),
                ElementsAre(Entry::UnbindRoute(events[vector],
                                               PciGuest::Message(vector))));
    world.guest.MaskVector(vector, false);
    EXPECT_THAT(world.host.log().Take(),
                ElementsAre(Entry::BindRoute(events[vector],
                                             PciGuest::Message(vector))));
  }
  EXPECT_EQ(world.events.count(DeviceEvent::Kind::kInterruptNotRouted), 0);
  world.guest.SetConfig(pci::kMsixControl, 2, 0);
  EXPECT_EQ(world.host.router().size(), 0u);
}

// A vector that gets another event is routed from that one, and from none when
// it has none.
TEST(IrqRoutesTest, FollowsTheEvent) {
  World world({}, /*with_executor=*/false);
  const EventHandle old_event = world.ConnectOwn(0);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.host.log().Take();
  const EventHandle new_event = world.ConnectOwn(0);
  std::vector<Entry> changes;
  for (const Entry& entry : world.host.log().Take()) {
    if (entry.operation == Operation::kBindRoute) changes.push_back(entry);
  }
  EXPECT_THAT(changes,
              ElementsAre(Entry::UnbindRoute(old_event, PciGuest::Message(0)),
                          Entry::BindRoute(new_event, PciGuest::Message(0))));
  world.guest.device().peers().Disconnect(World::kOwn);
  EXPECT_EQ(world.host.router().size(), 0u);
}

// A vector whose notifier has no event is nothing to ask a router for.
TEST(IrqRoutesTest, NotifiersWithoutEventsAreNotRouted) {
  World world({}, /*with_executor=*/false);
  world.Connect(World::kOwn, 0, mock::EventNotifier::Exposure::kHidden);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  EXPECT_EQ(world.host.faults().calls(Operation::kBindRoute), 0u);
  EXPECT_EQ(world.events.count(DeviceEvent::Kind::kInterruptNotRouted), 0);
}

// One event tells of all that failed at once.
TEST(IrqRoutesTest, OneEventTellsOfAll) {
  World world({.route_capacity = 0});
  world.ConnectOwn(0);
  world.ConnectOwn(1);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.host.executor().RunAll();
  EXPECT_EQ(world.host.faults().calls(Operation::kBindRoute), 2u);
  EXPECT_EQ(world.events.count(DeviceEvent::Kind::kInterruptNotRouted), 1);
}

// Counts how many routes it is asked for at once.
class CountingRouter : public IrqRouter {
 public:
  absl::StatusOr<RegistrationPtr> Bind(EventHandle,
                                       const pci::MsiMessage&) override {
    return std::make_unique<Registration>();
  }
  std::vector<absl::StatusOr<RegistrationPtr>> BindAll(
      absl::Span<const Request> requests) override {
    asked.push_back(requests.size());
    return IrqRouter::BindAll(requests);
  }

  std::vector<size_t> asked;
};

// "All at once": the router is asked for all that there is to be set up, and is
// left alone when there is nothing.
TEST(IrqRoutesTest, AsksForAllAtOnceOrNotAtAll) {
  CountingRouter router;
  World world({},
              [&router](PciDevice::Host& offer) { offer.router = &router; });
  world.ConnectOwn(0);
  world.ConnectOwn(1);
  world.guest.Enumerate();
  world.host.executor().RunAll();
  EXPECT_THAT(router.asked, IsEmpty());
  world.guest.EnableMsix();
  world.host.executor().RunAll();
  EXPECT_THAT(router.asked, ElementsAre(2));
  world.guest.MaskVector(1, true);
  world.host.executor().RunAll();
  EXPECT_THAT(router.asked, ElementsAre(2));
}

}  // namespace
}  // namespace ivshmem
