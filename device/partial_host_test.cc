// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The short cuts of hosts that offer a part of what there is, and Shortcuts
// without a device around it.

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "bus/pci/msix.h"
#include "core/device.h"
#include "device/shortcuts.h"
#include "device/shortcuts_world.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

// A host without a router leaves all vectors to this process; doorbells are
// bound all the same. (The first test here, in memory that no earlier device
// has left routes in.)
TEST(PartialHostTest, WithoutARouter) {
  World world({}, [](PciDevice::Host& offer) {
    offer.router = nullptr;
    offer.executor = nullptr;
  });
  const EventHandle event = world.ConnectOwn(0);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  EXPECT_EQ(world.host.accelerator().size(), 1u);
  EXPECT_EQ(world.host.router().size(), 0u);
  world.host.events().Signal(event);
  EXPECT_THAT(world.host.msi().Take(), ElementsAre(PciGuest::Message(0)));
  EXPECT_EQ(world.guest.device().count(InterruptResult::kDelivered), 1u);
}

// A host that offers no short cut has no work with them.
TEST(PartialHostTest, NoneNoWork) {
  World world({}, [](PciDevice::Host& offer) {
    offer.router = nullptr;
    offer.doorbells = nullptr;
  });
  world.ConnectOwn(0);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  EXPECT_EQ(world.host.executor().pending(), 0u);
}

// A host without an accelerator has vectors routed all the same.
TEST(PartialHostTest, WithoutAnAccelerator) {
  World world({}, [](PciDevice::Host& offer) { offer.doorbells = nullptr; });
  world.ConnectOwn(0);
  world.guest.Enumerate();
  world.guest.EnableMsix();
  world.host.executor().RunAll();
  EXPECT_EQ(world.host.router().size(), 1u);
  EXPECT_EQ(world.host.accelerator().size(), 0u);
  world.guest.MaskVector(0, true);
  EXPECT_EQ(world.host.router().size(), 0u);
}

// What a host does not offer makes no work: MSI-X without a router, BARs
// without an accelerator.
TEST(PartialHostTest, NoWorkWithWhatIsNotOffered) {
  World unrouted({}, [](PciDevice::Host& offer) { offer.router = nullptr; });
  unrouted.guest.Enumerate();
  unrouted.host.executor().RunAll();
  unrouted.guest.EnableMsix();
  EXPECT_EQ(unrouted.host.executor().pending(), 0u);
  World trapped({}, [](PciDevice::Host& offer) { offer.doorbells = nullptr; });
  trapped.guest.Enumerate();
  trapped.host.executor().RunAll();
  trapped.guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_EQ(trapped.host.executor().pending(), 0u);
}

// Limits leave short cuts out also where nobody is there to be warned.
TEST(PartialHostTest, NobodyToWarn) {
  mock::Host host;
  PciGuest guest(host,
                 {.id = World::kOwn, .limits = {.rings = {.per_second = 10}}},
                 PciGuest::Everything(host, nullptr));
  guest.Enumerate();
  const auto notifier = std::make_shared<mock::EventNotifier>(
      host.events(), host.events().Create());
  ASSERT_TRUE(guest.device().peers().Connect(7, 0, notifier).ok());
  host.executor().RunAll();
  EXPECT_EQ(host.accelerator().size(), 0u);
}

// Short cuts in a place that held something else, and will again: what uses
// members that are not there, or what has gone, is noticed.
class ShortcutsAloneTest : public ::testing::Test {
 protected:
  class NoInterrupts : public InterruptSink {
   public:
    InterruptResult Deliver(Vector) noexcept override {
      return InterruptResult::kDelivered;
    }
  };
  static constexpr std::byte kElse{0xa5};

  ~ShortcutsAloneTest() override { Remove(); }

  void Connect(PeerId peer) {
    const auto notifier = std::make_shared<mock::EventNotifier>(
        host_.events(), host_.events().Create());
    EXPECT_TRUE(device_->peers().Connect(peer, 0, notifier).ok());
  }
  Shortcuts& Make(Shortcuts::Config config) {
    place_.fill(kElse);
    shortcuts_ = new (place_.data()) Shortcuts(*device_, std::move(config));
    return *shortcuts_;
  }
  void Remove() {
    if (shortcuts_ != nullptr) std::exchange(shortcuts_, nullptr)->~Shortcuts();
  }
  // Room for one doorbell.
  Shortcuts::Config Doorbells() {
    return {.doorbell_address = [] { return std::optional<uint64_t>(0x100c); },
            .doorbells = &host_.accelerator(),
            .executor = &host_.executor()};
  }

  mock::Host host_{{.doorbell_capacity = 1}};
  NoInterrupts sink_;
  const std::unique_ptr<Device> device_ = *Device::Create(
      {.interrupts = InterruptMode::kMsix, .vectors = 1, .id = World::kOwn},
      {.interrupts = &sink_});
  alignas(Shortcuts) std::array<std::byte, sizeof(Shortcuts)> place_;

 private:
  Shortcuts* shortcuts_ = nullptr;
};

// Without a router; and "absent: nobody's turn comes".
TEST_F(ShortcutsAloneTest, DoorbellsAndNoMore) {
  Connect(7);
  Connect(8);
  Shortcuts& shortcuts = Make(Doorbells());
  shortcuts.UpdateAll();
  host_.executor().RunAll();
  shortcuts.UpdateRoutes();
  host_.executor().RunAll();
  EXPECT_EQ(host_.accelerator().size(), 1u);
}

// Without an accelerator, where nobody asks where the doorbell is.
TEST_F(ShortcutsAloneTest, RoutesAndNoMore) {
  pci::Msix msix(1, &host_.msi(), nullptr);
  Connect(World::kOwn);
  Shortcuts& shortcuts = Make({.doorbell_address =
                                   [] {
                                     ADD_FAILURE();
                                     return std::optional<uint64_t>();
                                   },
                               .router = &host_.router(),
                               .msix = &msix,
                               .executor = &host_.executor()});
  shortcuts.UpdateDoorbells();
  shortcuts.AddDoorbells();
  EXPECT_EQ(host_.executor().pending(), 0u);
  shortcuts.UpdateAll();
  host_.executor().RunAll();
}

// "Work that the executor still has does nothing": it leaves alone what may be
// something else by then.
TEST_F(ShortcutsAloneTest, GoneBeforeTheirWork) {
  Connect(7);
  Make(Doorbells()).UpdateAll();
  ASSERT_EQ(host_.executor().pending(), 1u);
  Remove();
  place_.fill(kElse);
  host_.executor().RunAll();
  EXPECT_THAT(place_, Each(kElse));
  EXPECT_EQ(host_.accelerator().size(), 0u);
}

}  // namespace
}  // namespace ivshmem
