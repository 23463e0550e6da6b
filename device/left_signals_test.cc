// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The routes of a router that leaves in the event what it has sent, as ACRN's
// does: each signal interrupts once, by the router or by who reads the event.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/irq_router.h"
#include "backends/linux/event_fd.h"
#include "backends/mock/host.h"
#include "backends/registration.h"
#include "bus/pci/msi.h"
#include "core/notifier.h"
#include "device/pci_guest.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr PeerId kOwn = 2;

// Takes nothing from the event. Nothing is sent: the test knows what would be.
class LeavingRouter : public IrqRouter {
 public:
  Signals signals() const override { return kind; }

  absl::StatusOr<RegistrationPtr> Bind(EventHandle,
                                       const pci::MsiMessage&) override {
    if (on_change) on_change();
    if (refuses) return absl::ResourceExhaustedError("no");
    ++routes;
    return std::make_unique<Route>(*this);
  }

  Signals kind = Signals::kLeft;
  int routes = 0;
  bool refuses = false;
  std::function<void()> on_change;

 private:
  class Route : public Registration {
   public:
    explicit Route(LeavingRouter& router) : router_(router) {}
    ~Route() override {
      if (router_.on_change) router_.on_change();
      --router_.routes;
    }

   private:
    LeavingRouter& router_;
  };
};

class LeftSignalsTest : public ::testing::Test {
 protected:
  LeftSignalsTest() : event_(*EventFd::Create()) {
    PciDevice::Host offer = PciGuest::Everything(host_, nullptr);
    offer.router = &router_;
    offer.executor = nullptr;
    guest_.emplace(host_, PciDevice::Config{.vectors = 2, .id = kOwn}, offer);
    EXPECT_TRUE(guest_->device().peers().Connect(kOwn, 0, event_).ok());
    guest_->Enumerate();
  }

  // What a peer does, and what the reader of the event does: whether it makes
  // an interrupt of what it finds.
  void Ring() { event_->Signal(); }
  bool ReaderFinds() { return event_->Drain(); }

  mock::Host host_{{}};
  LeavingRouter router_;
  const std::shared_ptr<EventFd> event_;
  std::optional<PciGuest> guest_;
};

// Without a route the reader makes the interrupts; with one it takes the
// signals all the same, so that the event never fills, and does nothing.
TEST_F(LeftSignalsTest, TheReaderDropsWhatIsRouted) {
  Ring();
  EXPECT_TRUE(ReaderFinds());
  guest_->EnableMsix();
  ASSERT_EQ(router_.routes, 1);
  Ring();
  EXPECT_FALSE(ReaderFinds());
  guest_->MaskVector(0, true);
  ASSERT_EQ(router_.routes, 0);
  EXPECT_FALSE(ReaderFinds());
  Ring();
  EXPECT_TRUE(ReaderFinds());
}

// A signal that was sent and that nobody has read is forgotten with its route.
TEST_F(LeftSignalsTest, WhatWasSentDoesNotComeAgain) {
  guest_->EnableMsix();
  Ring();
  guest_->MaskVector(0, true);
  EXPECT_FALSE(ReaderFinds());
}

// One that the event holds as the route is made is sent by the router, who
// finds it there; one that comes in the same moment as well.
TEST_F(LeftSignalsTest, WhatTheRouterFindsIsItsOwn) {
  router_.on_change = [this] {
    EXPECT_FALSE(ReaderFinds()) << "held";
    Ring();
  };
  Ring();
  guest_->EnableMsix();
  ASSERT_EQ(router_.routes, 1);
  router_.on_change = nullptr;
  EXPECT_FALSE(ReaderFinds());
}

// One that comes while the route goes is not lost, nor one after that.
TEST_F(LeftSignalsTest, WhatComesAsTheRouteGoesStays) {
  guest_->EnableMsix();
  router_.on_change = [this] { Ring(); };
  guest_->MaskVector(0, true);
  router_.on_change = nullptr;
  EXPECT_TRUE(ReaderFinds());
  EXPECT_FALSE(ReaderFinds());
  Ring();
  EXPECT_TRUE(ReaderFinds());
}

// What is not routed is the reader's.
TEST_F(LeftSignalsTest, ARefusedRouteDropsNothing) {
  router_.refuses = true;
  Ring();
  guest_->EnableMsix();
  EXPECT_EQ(router_.routes, 0);
  EXPECT_TRUE(ReaderFinds());
  Ring();
  EXPECT_TRUE(ReaderFinds());
}

// Where the router takes what it sends, what the event holds without a route is
// the reader's.
TEST_F(LeftSignalsTest, ARouterThatTakesThem) {
  router_.kind = IrqRouter::Signals::kTaken;
  guest_->EnableMsix();
  ASSERT_EQ(router_.routes, 1);
  guest_->MaskVector(0, true);
  ASSERT_EQ(router_.routes, 0);
  Ring();
  EXPECT_TRUE(ReaderFinds());
}

// A device that goes takes its routes with it; its events are as before.
TEST_F(LeftSignalsTest, TheDeviceGoes) {
  guest_->EnableMsix();
  Ring();
  guest_.reset();
  EXPECT_EQ(router_.routes, 0);
  EXPECT_FALSE(ReaderFinds());
  Ring();
  EXPECT_TRUE(ReaderFinds());
}

// The reader waits until the route has gone.
TEST_F(LeftSignalsTest, TheReaderWaitsAsTheRouteGoes) {
  guest_->EnableMsix();
  router_.on_change = [this] {
    Ring();
    EXPECT_FALSE(ReaderFinds()) << "held";
  };
  guest_->MaskVector(0, true);
  ASSERT_EQ(router_.routes, 0);
  router_.on_change = nullptr;
  EXPECT_TRUE(ReaderFinds());
}

}  // namespace
}  // namespace ivshmem
