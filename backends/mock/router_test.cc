// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/router.h"

#include <memory>
#include <utility>

#include "backends/mock/recorders.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;

constexpr pci::MsiMessage kMessage = {.address = 0xfee00000, .data = 0x41};
constexpr pci::MsiMessage kOther = {.address = 0xfee00000, .data = 0x42};

class RouterTest : public ::testing::Test {
 protected:
  RegistrationPtr Bind(EventHandle event, const pci::MsiMessage& message) {
    auto route = router_.Bind(event, message);
    EXPECT_TRUE(route.ok()) << route.status();
    return *std::move(route);
  }

  Log log_;
  Faults faults_;
  Events events_{&log_};
  MsiRecorder msi_{&log_};
  Router router_{&events_, &msi_, {.capacity = 2, .faults = &faults_}};
  const EventHandle event_ = events_.Create();
};

TEST_F(RouterTest, ASignalSendsTheMessage) {
  RegistrationPtr route = Bind(event_, kMessage);
  EXPECT_EQ(router_.size(), 1u);
  events_.Signal(event_);
  EXPECT_EQ(events_.count(event_), 0u);
  route.reset();
  EXPECT_EQ(router_.size(), 0u);
  events_.Signal(event_);
  EXPECT_EQ(events_.count(event_), 1u);
  EXPECT_THAT(
      log_.Take(),
      ElementsAre(Entry::BindRoute(event_, kMessage), Entry::Signal(event_),
                  Entry::Message(kMessage),
                  Entry::UnbindRoute(event_, kMessage), Entry::Signal(event_)));
}

TEST_F(RouterTest, HeldSignalsSendOneMessageAtOnce) {
  events_.Signal(event_);
  events_.Signal(event_);
  log_.Take();
  const RegistrationPtr route = Bind(event_, kMessage);
  EXPECT_EQ(events_.count(event_), 0u);
  EXPECT_THAT(log_.Take(), ElementsAre(Entry::BindRoute(event_, kMessage),
                                       Entry::Message(kMessage)));
}

TEST_F(RouterTest, MayBeCalledFromTheMessage) {
  const EventHandle other = events_.Create();
  RegistrationPtr nested;
  msi_.SetCallback([&](const pci::MsiMessage& message) {
    if (message == kMessage) nested = Bind(other, kOther);
  });
  events_.Signal(event_);
  events_.Signal(other);
  const RegistrationPtr route = Bind(event_, kMessage);
  EXPECT_THAT(msi_.all(), ElementsAre(kMessage, kOther));
}

TEST_F(RouterTest, RefusesAndSaysWhy) {
  RegistrationPtr route = Bind(event_, kMessage);
  EXPECT_EQ(router_.Bind(event_, kOther).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(router_.Bind({}, kOther).status().code(),
            absl::StatusCode::kNotFound);
  const RegistrationPtr second = Bind(events_.Create(), kMessage);
  const EventHandle third = events_.Create();
  EXPECT_EQ(router_.Bind(third, kOther).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(router_.size(), 2u);
  route.reset();
  faults_.FailNth(Operation::kBindRoute, 1, absl::AbortedError("injected"));
  EXPECT_EQ(router_.Bind(third, kOther).status(),
            absl::AbortedError("injected"));
  const RegistrationPtr again = Bind(event_, kOther);

  constexpr auto kOp = Operation::kBindRoute;
  EXPECT_THAT(
      log_.Take(),
      ElementsAre(Entry::BindRoute(event_, kMessage),
                  Entry::Refuse(kOp, 1, absl::StatusCode::kAlreadyExists),
                  Entry::Refuse(kOp, ~uint64_t{0}, absl::StatusCode::kNotFound),
                  Entry::BindRoute({2}, kMessage),
                  Entry::Refuse(kOp, 3, absl::StatusCode::kResourceExhausted),
                  Entry::UnbindRoute(event_, kMessage),
                  Entry::Refuse(kOp, 3, absl::StatusCode::kAborted),
                  Entry::BindRoute(event_, kOther)));
}

TEST_F(RouterTest, TwoRoutersShareTheEventsRule) {
  Router other(&events_, &msi_, {});
  const RegistrationPtr route = Bind(event_, kMessage);
  EXPECT_EQ(other.Bind(event_, kOther).status().code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(other.size(), 0u);
}

TEST(RouterLifetimeTest, RegistrationsOutliveRouterAndEvents) {
  auto log = std::make_unique<Log>();
  MsiRecorder msi;
  auto events = std::make_unique<Events>(log.get());
  auto router = std::make_unique<Router>(events.get(), &msi, Router::Options{});
  const EventHandle first = events->Create();
  auto one = router->Bind(first, kMessage);
  auto two = router->Bind(events->Create(), kMessage);
  ASSERT_TRUE(one.ok());
  ASSERT_TRUE(two.ok());
  router.reset();
  one->reset();
  EXPECT_EQ(events->Signal(first), Notifier::Outcome::kSignalled);
  EXPECT_EQ(events->count(first), 1u);
  events.reset();
  log.reset();
  two->reset();
  EXPECT_EQ(msi.count(), 0u);
}

}  // namespace
}  // namespace ivshmem::mock
