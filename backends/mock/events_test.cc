// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/events.h"

#include <memory>
#include <optional>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Outcome = Notifier::Outcome;
using Watcher = Events::Watcher;

class EventsTest : public ::testing::Test {
 protected:
  // Watches `event` with a function that counts.
  RegistrationPtr Count(EventHandle event, Watcher watcher, int* count) {
    auto watch = events_.Watch(event, watcher, [count] { ++*count; });
    EXPECT_TRUE(watch.ok()) << watch.status();
    return *std::move(watch);
  }

  Log log_;
  Events events_{&log_};
};

TEST_F(EventsTest, HandlesCountFromOne) {
  EXPECT_EQ(events_.Create(), EventHandle{1});
  EXPECT_EQ(events_.Create(), EventHandle{2});
  EXPECT_TRUE(events_.Exists({1}));
  EXPECT_TRUE(events_.Exists({2}));
  EXPECT_FALSE(events_.Exists({0}));
  EXPECT_FALSE(events_.Exists({3}));
  EXPECT_FALSE(events_.Exists({}));
}

TEST_F(EventsTest, HoldsSignalsUntilDrained) {
  const EventHandle event = events_.Create();
  const EventHandle other = events_.Create();
  EXPECT_EQ(events_.Signal(event), Outcome::kSignalled);
  EXPECT_EQ(events_.Signal(event), Outcome::kSignalled);
  EXPECT_EQ(events_.count(event), 2u);
  EXPECT_EQ(events_.count(other), 0u);
  EXPECT_EQ(events_.Drain(event), 2u);
  EXPECT_EQ(events_.count(event), 0u);
  EXPECT_THAT(log_.Take(),
              ElementsAre(Entry::Signal(event), Entry::Signal(event)));
}

TEST_F(EventsTest, AHandleThatNamesNoEventIsBroken) {
  for (EventHandle event : {EventHandle{}, EventHandle{0}, EventHandle{1}}) {
    EXPECT_EQ(events_.Signal(event), Outcome::kFailed);
    EXPECT_EQ(events_.Drain(event), 0u);
    auto watch = events_.Watch(event, Watcher::kReader, [] {});
    EXPECT_EQ(watch.status().code(), absl::StatusCode::kNotFound);
    events_.Break(event);
    events_.SetLimit(event, 0);
  }
  EXPECT_THAT(log_.Take(), IsEmpty());
}

TEST_F(EventsTest, AWatcherTakesEachSignal) {
  for (Watcher watcher : {Watcher::kRoute, Watcher::kReader}) {
    const EventHandle event = events_.Create();
    int taken = 0;
    RegistrationPtr watch = Count(event, watcher, &taken);
    events_.Signal(event);
    events_.Signal(event);
    EXPECT_EQ(taken, 2);
    EXPECT_EQ(events_.count(event), 0u);

    watch.reset();
    events_.Signal(event);
    EXPECT_EQ(taken, 2);
    EXPECT_EQ(events_.count(event), 1u);
  }
}

TEST_F(EventsTest, HeldSignalsMakeOneCallWhenAWatcherComes) {
  const EventHandle event = events_.Create();
  events_.Signal(event);
  events_.Signal(event);
  int taken = 0;
  const RegistrationPtr watch = Count(event, Watcher::kRoute, &taken);
  EXPECT_EQ(taken, 1);
  EXPECT_EQ(events_.count(event), 0u);
}

TEST_F(EventsTest, ARouteGoesBeforeAReader) {
  const EventHandle event = events_.Create();
  int read = 0;
  int routed = 0;
  const RegistrationPtr reader = Count(event, Watcher::kReader, &read);
  RegistrationPtr route = Count(event, Watcher::kRoute, &routed);
  events_.Signal(event);
  EXPECT_EQ(routed, 1);
  EXPECT_EQ(read, 0);
  route.reset();
  events_.Signal(event);
  EXPECT_EQ(routed, 1);
  EXPECT_EQ(read, 1);
}

TEST_F(EventsTest, HasOneWatcherOfAKind) {
  const EventHandle event = events_.Create();
  int taken = 0;
  RegistrationPtr route = Count(event, Watcher::kRoute, &taken);
  auto second = events_.Watch(event, Watcher::kRoute, [] {});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(second.status().message(), HasSubstr("got event 1"));
  events_.Signal(event);
  EXPECT_EQ(taken, 1);
  route.reset();
  route = Count(event, Watcher::kRoute, &taken);
  events_.Signal(event);
  EXPECT_EQ(taken, 2);
}

TEST_F(EventsTest, AWatcherMayCallBackAndGoAway) {
  const EventHandle event = events_.Create();
  RegistrationPtr route;
  int calls = 0;
  route = *events_.Watch(event, Watcher::kRoute, [&] {
    if (++calls < 3) {
      events_.Signal(event);
    } else {
      route.reset();
      events_.Signal(event);
    }
  });
  events_.Signal(event);
  EXPECT_EQ(calls, 3);
  EXPECT_EQ(events_.count(event), 1u);
}

TEST_F(EventsTest, IsFullAtItsLimit) {
  const EventHandle event = events_.Create();
  events_.SetLimit(event, 1);
  EXPECT_EQ(events_.Signal(event), Outcome::kSignalled);
  EXPECT_EQ(events_.Signal(event), Outcome::kFull);
  EXPECT_EQ(events_.count(event), 1u);
  EXPECT_THAT(log_.Take(), ElementsAre(Entry::Signal(event)));
  EXPECT_EQ(events_.Drain(event), 1u);
  EXPECT_EQ(events_.Signal(event), Outcome::kSignalled);
}

TEST_F(EventsTest, IsNeverFullWhileWatched) {
  const EventHandle event = events_.Create();
  events_.SetLimit(event, 0);
  EXPECT_EQ(events_.Signal(event), Outcome::kFull);
  int taken = 0;
  const RegistrationPtr route = Count(event, Watcher::kRoute, &taken);
  EXPECT_EQ(taken, 0);
  EXPECT_EQ(events_.Signal(event), Outcome::kSignalled);
  EXPECT_EQ(taken, 1);
}

TEST_F(EventsTest, ABrokenEventReachesNobody) {
  const EventHandle event = events_.Create();
  int taken = 0;
  const RegistrationPtr route = Count(event, Watcher::kRoute, &taken);
  events_.Break(event);
  EXPECT_EQ(events_.Signal(event), Outcome::kFailed);
  EXPECT_EQ(taken, 0);
  EXPECT_THAT(log_.Take(), IsEmpty());
}

TEST_F(EventsTest, NotifierSignalsItsEvent) {
  const EventHandle event = events_.Create();
  EventNotifier notifier(events_, event);
  EXPECT_EQ(notifier.event(), event);
  EXPECT_EQ(notifier.Signal(), Outcome::kSignalled);
  EXPECT_EQ(events_.count(event), 1u);
  events_.SetLimit(event, 1);
  EXPECT_EQ(notifier.Signal(), Outcome::kFull);
  events_.Break(event);
  EXPECT_EQ(notifier.Signal(), Outcome::kFailed);
}

TEST_F(EventsTest, NotifierMayHideItsEvent) {
  const EventHandle event = events_.Create();
  EventNotifier notifier(events_, event, EventNotifier::Exposure::kHidden);
  EXPECT_FALSE(notifier.event().valid());
  EXPECT_EQ(notifier.Signal(), Outcome::kSignalled);
  EXPECT_EQ(events_.count(event), 1u);
}

TEST(EventsLifetimeTest, RegistrationsAndNotifiersOutliveTheEvents) {
  auto events = std::make_unique<Events>();
  const EventHandle event = events->Create();
  int taken = 0;
  RegistrationPtr watch =
      *events->Watch(event, Watcher::kRoute, [&taken] { ++taken; });
  EventNotifier notifier(*events, event);
  events.reset();
  EXPECT_EQ(notifier.Signal(), Outcome::kFailed);
  EXPECT_EQ(notifier.event(), event);
  EXPECT_EQ(taken, 0);
  watch.reset();
}

TEST(EventsLifetimeTest, AWatcherGoesWithItsRegistration) {
  Events events;
  const EventHandle event = events.Create();
  auto held = std::make_shared<int>();
  RegistrationPtr watch = *events.Watch(event, Watcher::kRoute, [held] {});
  EXPECT_EQ(held.use_count(), 2);
  watch.reset();
  EXPECT_EQ(held.use_count(), 1);
}

}  // namespace
}  // namespace ivshmem::mock
