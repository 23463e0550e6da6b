// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Whole devices with limits (core/limits.h): what a hypervisor would do past
// the device must not escape them.

#include "core/limits.h"

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/loop_thread.h"
#include "backends/mock/host.h"
#include "backends/timers.h"
#include "core/events.h"
#include "core/notifier.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr PeerId kOwn = 2;
constexpr absl::Duration kTick = absl::Milliseconds(100);
constexpr RateLimit kTenASecond = {.per_second = 10, .burst = 1};

class LimitsTest : public ::testing::Test {
 protected:
  PciDevice::Host Everything() {
    PciDevice::Host offer = PciGuest::Everything(host_, &events_);
    offer.timers = &host_.timers();
    offer.clock = &host_.timers();
    return offer;
  }

  std::unique_ptr<PciGuest> Guest(const Limits& limits) {
    auto guest = std::make_unique<PciGuest>(
        host_, PciDevice::Config{.vectors = 3, .id = kOwn, .limits = limits},
        Everything());
    guest->Enumerate();
    guest->EnableMsix();
    host_.executor().RunAll();
    return guest;
  }

  std::unique_ptr<FlatDevice> Flat(const Limits& limits, Timers* timers) {
    auto flat = FlatDevice::Create(
        {.registers_address = 0x40000000,
         .memory_address = 0x60000000,
         .block = {.vectors = 3, .id = kOwn, .limits = limits}},
        {memory_.data(), memory_.size()},
        {.mmio = &host_.space(),
         .irq = &host_.pulse(),
         .doorbells = &host_.accelerator(),
         .executor = &host_.executor(),
         .events = &events_,
         .timers = timers,
         .clock = &host_.timers()});
    EXPECT_TRUE(flat.ok()) << flat.status();
    return flat.ok() ? *std::move(flat) : nullptr;
  }

  EventHandle Connect(Device& device, Doorbell doorbell) {
    const EventHandle event = host_.events().Create();
    EXPECT_TRUE(device.peers()
                    .Connect(doorbell.peer, doorbell.vector,
                             std::make_shared<mock::EventNotifier>(
                                 host_.events(), event))
                    .ok());
    host_.executor().RunAll();
    return event;
  }

  std::vector<uint32_t> Messages() {
    std::vector<uint32_t> data;
    for (const pci::MsiMessage& message : host_.msi().Take()) {
      data.push_back(message.data - PciGuest::Message(0).data);
    }
    return data;
  }

  mock::Host host_;
  EventRecorder events_;
  std::vector<uint8_t> memory_ = std::vector<uint8_t>(0x1000);
};

// With a limit on rings no doorbell is bound, since nobody counts those; the
// embedder hears of it.
TEST_F(LimitsTest, LimitedRingsAreTrapped) {
  const auto guest = Guest({.rings = kTenASecond});
  const EventHandle event = Connect(guest->device(), {1, 0});
  EXPECT_EQ(host_.accelerator().size(), 0u);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 1);
  for (int i = 0; i < 5; ++i) guest->Ring(1, 0);
  EXPECT_EQ(host_.events().count(event), 1u);
  EXPECT_EQ(guest->device().count(RingResult::kOverRate), 4u);
  host_.timers().Advance(kTick);
  guest->Ring(1, 0);
  EXPECT_EQ(host_.events().count(event), 2u);
}

// With a limit on interrupts no vector is routed.
TEST_F(LimitsTest, LimitedInterruptsAreNotRouted) {
  const auto guest = Guest({.interrupts = kTenASecond});
  Connect(guest->device(), {kOwn, 0});
  EXPECT_EQ(host_.router().size(), 0u);
  EXPECT_EQ(host_.accelerator().size(), 1u);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 1);
}

// Without limits, both are, and nobody is warned.
TEST_F(LimitsTest, WithoutLimitsNothingChanges) {
  const auto guest = Guest({});
  Connect(guest->device(), {kOwn, 0});
  EXPECT_EQ(host_.router().size(), 1u);
  EXPECT_EQ(host_.accelerator().size(), 1u);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 0);
  EXPECT_EQ(host_.timers().pending(), 0);
}

// What came too fast comes by the host's timer, each vector once.
TEST_F(LimitsTest, InterruptsComeLater) {
  const auto guest = Guest({.interrupts = kTenASecond});
  for (const int vector : {0, 1, 1, 2, 1}) {
    guest->device().OnPeerInterrupt(static_cast<Vector>(vector));
  }
  EXPECT_THAT(Messages(), ElementsAre(0));
  host_.timers().Advance(kTick - absl::Nanoseconds(1));
  EXPECT_THAT(Messages(), IsEmpty());
  host_.timers().Advance(absl::Nanoseconds(1));
  EXPECT_THAT(Messages(), ElementsAre(1));
  host_.timers().Advance(10 * kTick);
  EXPECT_THAT(Messages(), ElementsAre(2));
  EXPECT_EQ(guest->device().count(InterruptResult::kDeferred), 4u);
  EXPECT_EQ(guest->device().count(InterruptResult::kDelivered), 3u);
}

// A deferred interrupt whose vector is masked when it comes becomes pending, as
// any.
TEST_F(LimitsTest, DeferredThenMasked) {
  const auto guest = Guest({.interrupts = kTenASecond});
  guest->device().OnPeerInterrupt(0);
  guest->device().OnPeerInterrupt(1);
  guest->MaskVector(1, true);
  host_.timers().Advance(kTick);
  EXPECT_THAT(Messages(), ElementsAre(0));
  EXPECT_EQ(guest->device().count(InterruptResult::kHeld), 1u);
  guest->MaskVector(1, false);
  EXPECT_THAT(Messages(), ElementsAre(1));
}

// Nothing is lost when a device is saved: what was deferred is sent before, and
// the restored device has the same limits.
TEST_F(LimitsTest, SavedWithDeferredInterrupts) {
  const auto guest = Guest({.interrupts = kTenASecond});
  guest->device().OnPeerInterrupt(0);
  guest->device().OnPeerInterrupt(1);
  guest->MaskVector(2, true);
  guest->device().OnPeerInterrupt(2);
  const PciDeviceState state = guest->SaveAndRestore();
  EXPECT_THAT(Messages(), ElementsAre(0, 1));
  EXPECT_TRUE(state.function.msix[2].pending);
  EXPECT_EQ(host_.timers().pending(), 0);
  guest->device().OnPeerInterrupt(1);
  guest->device().OnPeerInterrupt(1);
  EXPECT_THAT(Messages(), ElementsAre(1));
  host_.timers().Advance(kTick);
  EXPECT_THAT(Messages(), ElementsAre(1));
}

// A device that goes takes its timer along, also when an interrupt that the
// timer brings is what destroys it.
TEST_F(LimitsTest, DestroyedWithDeferredInterrupts) {
  for (const bool by_interrupt : {false, true}) {
    auto guest = Guest({.interrupts = kTenASecond});
    guest->device().OnPeerInterrupt(0);
    guest->device().OnPeerInterrupt(1);
    guest->device().OnPeerInterrupt(2);
    Messages();
    if (by_interrupt) {
      host_.msi().SetCallback(
          [&guest](const pci::MsiMessage&) { guest = nullptr; });
    } else {
      guest = nullptr;
    }
    host_.timers().Advance(10 * kTick);
    EXPECT_EQ(Messages().size(), by_interrupt ? 1u : 0u);
    EXPECT_EQ(guest, nullptr);
    EXPECT_EQ(host_.timers().pending(), 0);
    host_.msi().SetCallback(nullptr);
  }
}

// Without timers nobody would bring what was deferred: there is no such device.
TEST_F(LimitsTest, InterruptLimitNeedsTimers) {
  PciDevice::Host offer = Everything();
  offer.timers = nullptr;
  const auto device =
      PciDevice::Create({.limits = {.interrupts = kTenASecond}},
                        {memory_.data(), memory_.size()}, offer);
  EXPECT_TRUE(absl::IsInvalidArgument(device.status()));
  EXPECT_THAT(std::string(device.status().message()),
              HasSubstr("limits.interrupts"));
  const auto flat = FlatDevice::Create(
      {.memory_address = 0x1000,
       .block = {.limits = {.interrupts = kTenASecond}}},
      {memory_.data(), memory_.size()}, {.irq = &host_.pulse()});
  EXPECT_TRUE(absl::IsInvalidArgument(flat.status()));
}

class NoTimers : public Timers {
  absl::StatusOr<std::unique_ptr<Timer>> NewTimer(
      absl::AnyInvocable<void()> /*run_out*/) override {
    return absl::ResourceExhaustedError("no more descriptors");
  }
};

// What the host's timers say is what the embedder hears. Nobody asks them
// without a limit.
TEST_F(LimitsTest, NoTimerToBeHad) {
  NoTimers none;
  PciDevice::Host offer = Everything();
  offer.timers = &none;
  EXPECT_EQ(PciDevice::Create({.limits = {.interrupts = kTenASecond}},
                              {memory_.data(), memory_.size()}, offer)
                .status(),
            absl::ResourceExhaustedError("no more descriptors"));
  EXPECT_TRUE(
      PciDevice::Create({}, {memory_.data(), memory_.size()}, offer).ok());
}

// Of the connected doorbells those that the guest may ring are bound, and no
// others: these trap, are lost and counted. They do not come by taking turns.
TEST_F(LimitsTest, OnlyAllowedDoorbellsAreBound) {
  const auto guest = Guest({.may_ring = {{{.peer = 1, .vector = 1}}}});
  const EventHandle refused = Connect(guest->device(), {1, 0});
  const EventHandle allowed = Connect(guest->device(), {1, 1});
  EXPECT_EQ(host_.accelerator().size(), 1u);
  for (int i = 0; i < 200; ++i) {
    guest->Ring(1, 0);
    host_.executor().RunAll();
  }
  guest->Ring(1, 1);
  EXPECT_EQ(host_.events().count(refused), 0u);
  EXPECT_EQ(host_.events().count(allowed), 1u);
  EXPECT_EQ(guest->device().count(RingResult::kNotAllowed), 200u);
  EXPECT_EQ(guest->device().count(RingResult::kDelivered), 0u);
  guest->device().peers().Disconnect(1);
  host_.executor().RunAll();
  EXPECT_EQ(host_.accelerator().size(), 0u);
}

// Its own vectors are routed whomever it may ring.
TEST_F(LimitsTest, AnAllowListIsNotForInterrupts) {
  const auto guest = Guest({.may_ring = std::vector<AllowedRings>()});
  Connect(guest->device(), {kOwn, 0});
  EXPECT_EQ(host_.router().size(), 1u);
  EXPECT_EQ(host_.accelerator().size(), 0u);
  guest->Ring(kOwn, 0);
  EXPECT_THAT(Messages(), IsEmpty());
}

// Where a hypervisor swallows what is not bound, all that the guest may ring
// are bound or none; what it may not ring does not keep the others from it.
TEST_F(LimitsTest, AllowListWhereMissesAreSwallowed) {
  mock::Host acrn({.miss_policy = DoorbellAccelerator::MissPolicy::kSwallowed});
  PciDevice::Host offer = PciGuest::Everything(acrn, &events_);
  PciGuest guest(
      acrn, {.vectors = 1, .id = kOwn, .limits = {.may_ring = {{{.peer = 1}}}}},
      offer);
  guest.Enumerate();
  std::vector<EventHandle> events;
  for (const PeerId peer : {1, 5, 1}) {
    const EventHandle event = acrn.events().Create();
    events.push_back(event);
    ASSERT_TRUE(guest.device()
                    .peers()
                    .Connect(peer, static_cast<Vector>(events.size() - 1),
                             std::make_shared<mock::EventNotifier>(
                                 acrn.events(), event))
                    .ok());
    acrn.executor().RunAll();
  }
  EXPECT_EQ(acrn.accelerator().size(), 2u);
  guest.Ring(1, 0);
  guest.Ring(5, 1);
  guest.Ring(1, 2);
  EXPECT_EQ(acrn.events().count(events[0]), 1u);
  EXPECT_EQ(acrn.events().count(events[1]), 0u);
  EXPECT_EQ(acrn.events().count(events[2]), 1u);
}

// The flat device has the same limits.
TEST_F(LimitsTest, FlatDevice) {
  const auto flat = Flat({.rings = kTenASecond,
                          .interrupts = kTenASecond,
                          .may_ring = {{{.peer = 1}}}},
                         &host_.timers());
  const EventHandle event = Connect(flat->device(), {1, 0});
  EXPECT_EQ(host_.accelerator().size(), 0u);
  for (const uint32_t value : {0x10000, 0x10000, 0x20000}) {
    host_.space().Write32(0x40000000 + kDoorbellOffset, value);
  }
  EXPECT_EQ(host_.events().count(event), 1u);
  EXPECT_EQ(flat->device().count(RingResult::kOverRate), 1u);
  EXPECT_EQ(flat->device().count(RingResult::kNotAllowed), 1u);
  for (int i = 0; i < 3; ++i) flat->device().OnPeerInterrupt(1);
  EXPECT_EQ(host_.pulse().count(), 1u);
  host_.timers().Advance(10 * kTick);
  EXPECT_EQ(host_.pulse().count(), 2u);
  flat->device().OnPeerInterrupt(0);
  flat->device().OnPeerInterrupt(0);
  flat->Save();
  EXPECT_EQ(host_.pulse().count(), 4u);
}

TEST_F(LimitsTest, NoTimerToBeHadForAFlatDevice) {
  NoTimers none;
  FlatDevice::Config config = {
      .memory_address = 0x1000,
      .block = {.limits = {.interrupts = kTenASecond}}};
  const SharedMemory memory = {memory_.data(), memory_.size()};
  EXPECT_EQ(FlatDevice::Create(config, memory,
                               {.irq = &host_.pulse(), .timers = &none})
                .status(),
            absl::ResourceExhaustedError("no more descriptors"));
  config.block.limits = {};
  EXPECT_TRUE(FlatDevice::Create(config, memory,
                                 {.irq = &host_.pulse(), .timers = &none})
                  .ok());
}

// Who was offered no short cut has lost none: there is no warning.
TEST_F(LimitsTest, NoWarningWhereNothingIsLeftOut) {
  const Limits limits = {.rings = kTenASecond, .interrupts = kTenASecond};
  PciDevice::Host pci = Everything();
  pci.doorbells = nullptr;
  pci.router = nullptr;
  const SharedMemory memory = {memory_.data(), memory_.size()};
  EXPECT_TRUE(PciDevice::Create({.limits = limits}, memory, pci).ok());
  EXPECT_TRUE(FlatDevice::Create(
                  {.memory_address = 0x1000, .block = {.limits = limits}},
                  memory,
                  {.irq = &host_.pulse(),
                   .events = &events_,
                   .timers = &host_.timers()})
                  .ok());
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kWarning), 0);
}

// Lets time pass at the moment at which the device lets go of its peers.
class LastMoment : public Notifier {
 public:
  explicit LastMoment(mock::Timers& timers) : timers_(timers) {}
  ~LastMoment() override { timers_.Advance(10 * kTick); }
  Outcome Signal() noexcept override { return Outcome::kSignalled; }

 private:
  mock::Timers& timers_;
};

// Once a device goes, its timer brings it nothing, while it still has one.
TEST_F(LimitsTest, NothingIsDueWhileADeviceGoes) {
  auto guest = Guest({.interrupts = kTenASecond});
  auto flat = Flat({.interrupts = kTenASecond}, &host_.timers());
  for (Device* device : {&guest->device(), &flat->device()}) {
    ASSERT_TRUE(device->peers()
                    .Connect(1, 0, std::make_shared<LastMoment>(host_.timers()))
                    .ok());
  }
  for (int i = 0; i < 2; ++i) guest->device().OnPeerInterrupt(0);
  guest = nullptr;
  EXPECT_EQ(Messages().size(), 1u);
  for (int i = 0; i < 2; ++i) flat->device().OnPeerInterrupt(0);
  flat = nullptr;
  EXPECT_EQ(host_.pulse().count(), 1u);
}

TEST_F(LimitsTest, FlatDeviceGoesWithDeferredInterrupts) {
  auto flat = Flat({.interrupts = kTenASecond}, &host_.timers());
  for (int i = 0; i < 2; ++i) flat->device().OnPeerInterrupt(0);
  flat = nullptr;
  host_.timers().Advance(10 * kTick);
  EXPECT_EQ(host_.pulse().count(), 1u);
}

// With a real loop and the machine's clock: interrupts from two threads, and
// the device goes at some moment.
TEST_F(LimitsTest, RealTimers) {
  for (int round = 0; round < 20; ++round) {
    auto loop = LoopThread::Start();
    ASSERT_TRUE(loop.ok());
    PciDevice::Host offer = Everything();
    offer.timers = &(*loop)->loop();
    offer.clock = nullptr;
    auto guest = std::make_unique<PciGuest>(
        host_,
        PciDevice::Config{
            .vectors = 3,
            .limits = {.interrupts = {.per_second = 10000, .burst = 1}}},
        offer);
    guest->Enumerate();
    guest->EnableMsix();
    const uint64_t before = host_.msi().count();
    std::vector<std::thread> peers;
    for (int p = 0; p < 2; ++p) {
      peers.emplace_back([&guest, p] {
        for (int i = 0; i < 500; ++i) {
          guest->device().OnPeerInterrupt(static_cast<Vector>(p));
        }
      });
    }
    for (std::thread& peer : peers) peer.join();
    guest->device().OnPeerInterrupt(2);
    if (round % 2 == 0) {
      // All that was deferred comes: at least one more of each.
      const auto& device = guest->device();
      const absl::Time deadline = absl::Now() + absl::Seconds(20);
      while (host_.msi().count() - before < 3 && absl::Now() < deadline) {
        absl::SleepFor(absl::Milliseconds(1));
      }
      EXPECT_GE(host_.msi().count() - before, 3u);
      EXPECT_GT(device.count(InterruptResult::kDeferred), 0u);
    }
    guest = nullptr;
  }
}

}  // namespace
}  // namespace ivshmem
