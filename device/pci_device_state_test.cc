// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Saving and restoring a PciDevice. That a guest cannot tell, whatever it does,
// is shown in proto/device_state_model_test.cc.

#include "device/pci_device_state.h"

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/switchboard.h"
#include "device/memory_state.h"
#include "device/pci_device.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"

namespace ivshmem {
namespace {

using mock::Entry;
using mock::Operation;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class PciDeviceStateTest : public ::testing::Test {
 protected:
  PciDevice::Host Offer() { return PciGuest::Everything(host_, &events_); }

  // Of a device as `guest`'s, which is configured as by default.
  static std::string RestoreError(PciGuest& guest,
                                  const PciDeviceState& state) {
    return std::string(
        PciDevice::Restore({}, guest.shared(), {}, state).status().message());
  }

  mock::Host host_;
  EventRecorder events_;
};

// Registers, config space and the table are as they were.
TEST_F(PciDeviceStateTest, WhatTheGuestWroteIsThere) {
  PciGuest guest(host_, {.vectors = 2, .id = 3}, Offer());
  guest.Enumerate();
  guest.EnableMsix();
  guest.SetConfig(pci::kInterruptLine, 1, 11);
  guest.SetConfig(pci::kCacheLineSize, 1, 16);
  guest.Write(kMaskOffset, 0xabcd);
  guest.Write(kStatusOffset, 0x1234);
  guest.MaskVector(1, true);

  const PciDeviceState state = guest.SaveAndRestore();
  EXPECT_EQ(guest.Config(pci::kInterruptLine, 1), 11u);
  EXPECT_EQ(guest.Config(pci::kCacheLineSize, 1), 16u);
  EXPECT_EQ(guest.Config(pci::kCommand, 2), PciGuest::kDecodeAndMaster);
  EXPECT_EQ(guest.Config(pci::kMsixControl, 2), pci::kMsixControlEnable | 1u);
  EXPECT_EQ(guest.Config(pci::kBar0, 4), PciGuest::kBar0);
  EXPECT_EQ(guest.Config(pci::kBar0 + 12, 4), PciGuest::kBar2 >> 32);
  EXPECT_EQ(guest.Read(kPositionOffset), 3u);
  EXPECT_EQ(guest.Read(kMaskOffset), 0xabcdu);
  EXPECT_EQ(guest.Read(kStatusOffset), 0x1234u);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + 8), 0x40u);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + 12), 0u);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + 16 + 12), 1u);

  guest.Write(kStatusOffset, 0x1234);
  EXPECT_EQ(guest.pci().Save(), state) << "one that is restored saves the same";
}

// Saving changes nothing, and the device goes on.
TEST_F(PciDeviceStateTest, SavingIsNotSeen) {
  PciGuest guest(host_, {.dialect = kRevision0}, Offer());
  guest.Enumerate();
  guest.Write(kStatusOffset, 1);
  host_.log().Take();
  const PciDeviceState first = guest.pci().Save();
  EXPECT_EQ(first.device.registers.status, 1u) << "Status is not read away";
  EXPECT_EQ(guest.pci().Save(), first);
  EXPECT_THAT(host_.log().Take(), IsEmpty());
  EXPECT_EQ(guest.Read(kStatusOffset), 1u);
}

// BARs are shown where the state has them, whatever the configuration says of
// their places.
TEST_F(PciDeviceStateTest, BarsAreShown) {
  PciGuest guest(host_, {.bar_addresses = {0xfd000000}}, Offer());
  guest.Enumerate();
  host_.log().Take();
  guest.SaveAndRestore();
  const auto size = PciGuest::kMemorySize;
  const auto access = MemoryAccess::kReadWrite;
  EXPECT_THAT(host_.log().Take(),
              UnorderedElementsAre(Entry::Unclaim(PciGuest::kBar0, 0x100),
                                   Entry::Unclaim(PciGuest::kBar1, 0x1000),
                                   Entry::Unmap(PciGuest::kBar2, size, access),
                                   Entry::Claim(PciGuest::kBar0, 0x100),
                                   Entry::Claim(PciGuest::kBar1, 0x1000),
                                   Entry::Map(PciGuest::kBar2, size, access)));
}

// A guest may be half way through sizing a BAR.
TEST_F(PciDeviceStateTest, ABarBeingSized) {
  PciGuest guest(host_, {}, Offer());
  guest.Enumerate();
  guest.SetConfig(pci::kBar0 + 8, 4, 0xffffffff);
  guest.SetConfig(pci::kBar0, 4, 0xffffffff);
  guest.SaveAndRestore();
  EXPECT_EQ(guest.Config(pci::kBar0, 4), 0xffffff00u);
  EXPECT_EQ(guest.Config(pci::kBar0 + 8, 4), 0xffff000cu);
  EXPECT_EQ(guest.Config(pci::kBar0 + 12, 4), PciGuest::kBar2 >> 32);
  EXPECT_EQ(guest.pci().function().BarAddress(0), std::nullopt);
}

// Of two BARs that a guest has put over each other, it sees the one that it
// placed first, also afterwards, and the other when that one has gone.
TEST_F(PciDeviceStateTest, AHiddenBarStaysHidden) {
  PciGuest guest(host_, {.id = 1}, Offer());
  guest.Enumerate();
  guest.SetConfig(pci::kBar0 + 12, 4, 0);
  guest.SetConfig(pci::kBar0 + 8, 4, 0xfd000000);
  guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_EQ(host_.space().Read32(0xfd000008), 0u) << "the memory";
  const PciDeviceState state = guest.SaveAndRestore();
  EXPECT_THAT(state.hidden_bars,
              ElementsAre(true, false, false, false, false, false));
  EXPECT_EQ(host_.space().Read32(0xfd000008), 0u);
  EXPECT_EQ(guest.SaveAndRestore(), state);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kMapFailed), 1) << "not tried";
  guest.SetConfig(pci::kBar0, 4, 0xfc000000);
  EXPECT_EQ(host_.space().Read32(0xfc000008), 1u);
  EXPECT_THAT(guest.pci().Save().hidden_bars, Each(false));
}

// A VMM that finds the BARs itself asks where they are seen, and so honours
// what was refused where the state comes from.
TEST_F(PciDeviceStateTest, AHiddenBarStaysHiddenWhereTheVmmDispatches) {
  PciGuest guest(host_, {}, Offer());
  EXPECT_EQ(guest.pci().ShownAt(0), std::nullopt) << "not decoded";
  guest.Enumerate();
  EXPECT_EQ(guest.pci().ShownAt(0), PciGuest::kBar0);
  guest.SetConfig(pci::kBar0 + 4, 4, 0xfd000000);
  guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_EQ(guest.pci().ShownAt(0), std::nullopt) << "refused";
  EXPECT_EQ(guest.pci().ShownAt(1), 0xfd000000);
  const PciDeviceState state = guest.pci().Save();
  const auto restored = PciDevice::Restore({}, guest.shared(), {}, state);
  ASSERT_TRUE(restored.ok()) << restored.status();
  EXPECT_EQ((*restored)->function().BarAddress(0), 0xfd000000);
  EXPECT_EQ((*restored)->ShownAt(0), std::nullopt);
  EXPECT_EQ((*restored)->ShownAt(1), 0xfd000000);
  EXPECT_EQ((*restored)->Save(), state);
  std::array<uint8_t, 4> bytes;
  StoreLittleEndian(0xfc000000, absl::MakeSpan(bytes));
  (*restored)->ConfigWrite(pci::kBar0, bytes);
  EXPECT_EQ((*restored)->ShownAt(0), 0xfc000000);
}

// Where the BARs are in a state is by what was saved, not by what is now.
TEST_F(PciDeviceStateTest, AddressesInAState) {
  PciGuest guest(host_, {}, Offer());
  guest.Enumerate();
  const PciDeviceState decoded = guest.pci().Save();
  guest.SetCommand(0);
  const PciDeviceState off = guest.pci().Save();
  const pci::Function& function = guest.pci().function();
  EXPECT_EQ(function.AddressesIn(decoded.function)[0], PciGuest::kBar0);
  EXPECT_EQ(function.AddressesIn(decoded.function)[2], PciGuest::kBar2);
  EXPECT_THAT(function.AddressesIn(off.function), Each(std::nullopt));
}

// A BAR that the host refuses at that moment is as one that the guest places:
// an event, out of sight, until it is placed anew.
TEST_F(PciDeviceStateTest, ARefusedBarIsOutOfSight) {
  PciGuest guest(host_, {.id = 1}, Offer());
  guest.Enumerate();
  host_.faults().FailNth(Operation::kMap, 1, absl::InternalError("no slot"));
  guest.SaveAndRestore();
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kMapFailed), 1);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0xffffffffu);
  EXPECT_EQ(guest.Read(kPositionOffset), 1u);
  guest.SetCommand(0);
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0u);
}

// Whatever the configuration says: the id that the guest has seen. A device
// that had none has none.
TEST_F(PciDeviceStateTest, TheIdIsTheStates) {
  PciGuest guest(host_, {.id = 3}, Offer());
  guest.Enumerate();
  guest.device().SetId(65535);
  guest.SaveAndRestore();
  EXPECT_EQ(guest.Read(kPositionOffset), 65535u);
  guest.device().SetId(std::nullopt);
  guest.SaveAndRestore();
  EXPECT_EQ(guest.device().id(), std::nullopt);
}

// Doorbells are bound again as the peers come back.
TEST_F(PciDeviceStateTest, DoorbellsAreBoundAgain) {
  PciGuest guest(host_, {.id = 3}, Offer());
  guest.Enumerate();
  const EventHandle event = host_.events().Create();
  const auto connect = [&] {
    EXPECT_TRUE(guest.device()
                    .peers()
                    .Connect(5, 0,
                             std::make_shared<mock::EventNotifier>(
                                 host_.events(), event))
                    .ok());
    host_.executor().RunAll();
  };
  connect();
  guest.SaveAndRestore();
  guest.Ring(5, 0);
  EXPECT_EQ(host_.events().count(event), 0u) << "no peers yet";
  connect();
  guest.Ring(5, 0);
  EXPECT_EQ(host_.events().count(event), 1u);
  EXPECT_EQ(guest.device().count(RingResult::kDelivered), 0u) << "past us";
}

// On a switchboard it gets its place back, and rings both ways.
TEST_F(PciDeviceStateTest, BackOnTheSwitchboard) {
  PciGuest guest(host_, {}, Offer());
  guest.Enumerate();
  guest.EnableMsix();
  mock::Host other_host;
  PciGuest other(other_host, {}, PciGuest::Everything(other_host, nullptr),
                 guest.shared());
  other.Enumerate();
  other.EnableMsix();
  Switchboard switchboard;
  ASSERT_TRUE(switchboard.AddRegion("r", guest.shared()).ok());
  const auto bind = [&](PciGuest& who, PeerId id) {
    auto port = switchboard.Bind("r", PciGuest::kMemorySize, who.device(), id);
    EXPECT_TRUE(port.ok()) << port.status();
    return port.ok() ? *std::move(port) : nullptr;
  };
  auto port = bind(guest, 7);
  const auto other_port = bind(other, 9);

  // Saved first, as who leaves the switchboard has no id any more.
  const PciDeviceState state = guest.pci().Save();
  EXPECT_EQ(state.device.id, 7);
  port.reset();
  guest.SaveAndRestore();
  EXPECT_EQ(guest.device().id(), std::nullopt);
  port = bind(guest, *state.device.id);
  EXPECT_EQ(guest.Read(kPositionOffset), 7u);
  guest.Ring(9, 0);
  other.Ring(7, 0);
  EXPECT_EQ(host_.msi().all().size(), 1u);
  EXPECT_EQ(other_host.msi().all().size(), 1u);
}

// A reset after that brings back what the configuration says, not the state.
TEST_F(PciDeviceStateTest, ResetForgets) {
  PciGuest fresh(host_, {}, Offer());
  const PciDeviceState initial = fresh.pci().Save();
  fresh.Enumerate();
  fresh.EnableMsix();
  fresh.Write(kMaskOffset, 1);
  fresh.SaveAndRestore();
  fresh.pci().Reset();
  EXPECT_EQ(fresh.pci().Save(), initial);
}

// The memory is the one that was saved: of its size, with its access.
TEST_F(PciDeviceStateTest, TheMemoryIsAsConfigured) {
  PciGuest guest(host_, {}, Offer());
  PciDeviceState state = guest.pci().Save();
  state.memory.access = MemoryAccess::kReadOnly;
  EXPECT_EQ(RestoreError(guest, state),
            "state.memory.access: expected read-write, as configured, got "
            "read-only");
  state.memory = {};
  EXPECT_EQ(RestoreError(guest, state),
            "state.memory.size: expected 65536 bytes, as the memory has, got "
            "0");
}

// The role is as configured, and an owner has id 0.
TEST_F(PciDeviceStateTest, TheRoleIsAsConfigured) {
  PciGuest guest(host_, {.id = 0, .role = MemoryRole::kOwner}, Offer());
  EXPECT_TRUE(guest.pci().carries_memory());
  PciDeviceState state = guest.SaveAndRestore();
  EXPECT_EQ(state.memory.role, MemoryRole::kOwner);
  EXPECT_TRUE(guest.pci().carries_memory());
  EXPECT_EQ(RestoreError(guest, state),
            "state.memory.role: expected auto, as configured, got owner");
  const auto error = [&](MemoryRole role, std::optional<PeerId> id) {
    state.memory.role = role;
    state.device.id = id;
    const auto restored =
        PciDevice::Restore({.id = 0, .role = role}, guest.shared(), {}, state);
    return std::string(restored.status().message());
  };
  EXPECT_EQ(error(MemoryRole::kOwner, 3),
            "role: expected peer or auto of the device with id 3, as the "
            "memory's owner has id 0, got owner");
  EXPECT_EQ(error(MemoryRole::kOwner, std::nullopt), "");
  EXPECT_EQ(error(MemoryRole::kPeer, 3), "");
  EXPECT_FALSE(PciDevice::Create({.id = 3, .role = MemoryRole::kOwner},
                                 guest.shared(), {})
                   .ok());
}

// Who carries the memory's content.
TEST(MemoryRoleTest, WhoCarriesTheMemory) {
  for (const auto id : {std::optional<PeerId>(), std::optional<PeerId>(0)}) {
    EXPECT_TRUE(CarriesMemory(MemoryRole::kAuto, id));
    EXPECT_TRUE(CarriesMemory(MemoryRole::kOwner, id));
    EXPECT_FALSE(CarriesMemory(MemoryRole::kPeer, id));
  }
  EXPECT_FALSE(CarriesMemory(MemoryRole::kAuto, 1));
  EXPECT_FALSE(CarriesMemory(MemoryRole::kPeer, 1));
}

// Each BAR that is hidden has a place, the last one too.
TEST_F(PciDeviceStateTest, HiddenBarsHavePlaces) {
  PciGuest guest(host_, {}, Offer());
  for (int bar = 0; bar < pci::kBars; ++bar) {
    PciDeviceState state = guest.pci().Save();
    state.hidden_bars[bar] = true;
    EXPECT_EQ(RestoreError(guest, state),
              "state.hidden_bars[" + std::to_string(bar) +
                  "]: expected false, as that BAR has no place, got true");
  }
}

// A function of which nothing was saved is none that could be restored.
TEST_F(PciDeviceStateTest, AnEmptyFunction) {
  PciGuest guest(host_, {}, Offer());
  PciDeviceState state = guest.pci().Save();
  state.function = {};
  EXPECT_EQ(RestoreError(guest, state),
            "state.vendor_id: expected 0x1af4, as the configuration has the "
            "bits that no guest can change, got 0");
}

}  // namespace
}  // namespace ivshmem
