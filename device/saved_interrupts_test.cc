// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What becomes of interrupts when a PciDevice is saved and restored.

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "backends/mock/host.h"
#include "bus/pci/registers.h"
#include "core/switchboard.h"
#include "device/pci_device_state.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SavedInterruptsTest : public ::testing::Test {
 protected:
  PciDevice::Host Offer() { return PciGuest::Everything(host_, &events_); }

  EventHandle ConnectOwn(PciGuest& guest, Vector vector) {
    const EventHandle event = host_.events().Create();
    EXPECT_TRUE(guest.device()
                    .peers()
                    .Connect(*guest.device().id(), vector,
                             std::make_shared<mock::EventNotifier>(
                                 host_.events(), event))
                    .ok());
    return event;
  }

  mock::Host host_;
  EventRecorder events_;
};

// What was pending stays pending and is sent once when the guest lets it.
TEST_F(SavedInterruptsTest, PendingInterrupts) {
  PciGuest guest(host_, {.vectors = 70}, Offer());
  guest.Enumerate();
  guest.EnableMsix();
  guest.MaskVector(69, true);
  EXPECT_EQ(guest.device().OnPeerInterrupt(69), InterruptResult::kHeld);
  guest.SaveAndRestore();
  EXPECT_THAT(host_.msi().all(), IsEmpty());
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + 0x800 + 8), 1u << 5);
  guest.MaskVector(69, false);
  EXPECT_THAT(host_.msi().all(), ElementsAre(PciGuest::Message(69)));
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + 0x800 + 8), 0u);
}

// The same behind Function Mask and Bus Master, which gate all vectors.
TEST_F(SavedInterruptsTest, PendingBehindTheFunctionsGates) {
  PciGuest guest(host_, {}, Offer());
  guest.Enumerate();
  guest.EnableMsix();
  guest.SetCommand(pci::kCommandMemorySpace);
  guest.device().OnPeerInterrupt(0);
  guest.SaveAndRestore();
  EXPECT_THAT(host_.msi().all(), IsEmpty());
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_THAT(host_.msi().all(), ElementsAre(PciGuest::Message(0)));
}

// A state that holds what may be sent, as one that was saved while an unmasking
// was under way: it is sent on restoring, once.
TEST_F(SavedInterruptsTest, PendingAndUnmaskedIsSent) {
  PciGuest guest(host_, {.vectors = 2}, Offer());
  guest.Enumerate();
  guest.EnableMsix();
  PciDeviceState state = guest.pci().Save();
  state.function.msix[1].pending = true;
  guest.pci().Reset();  // Out of the way on the bus.
  const auto device =
      PciDevice::Restore({.vectors = 2}, guest.shared(), Offer(), state);
  ASSERT_TRUE(device.ok()) << device.status();
  EXPECT_THAT(host_.msi().all(), ElementsAre(PciGuest::Message(1)));
  EXPECT_FALSE((*device)->Save().function.msix[1].pending);
}

// INTx is asserted again, and goes when the guest reads Status.
TEST_F(SavedInterruptsTest, IntxIsAsserted) {
  PciGuest guest(host_,
                 {.dialect = kRevision0, .interrupts = InterruptMode::kIntx},
                 Offer());
  guest.Enumerate();
  guest.Write(kMaskOffset, 1);
  guest.device().OnPeerInterrupt(0);
  EXPECT_THAT(host_.line().all(), ElementsAre(true));
  guest.SaveAndRestore();
  EXPECT_THAT(host_.line().all(), ElementsAre(true, true));
  EXPECT_EQ(guest.Config(pci::kStatus, 2) & pci::kStatusInterrupt,
            pci::kStatusInterrupt);
  EXPECT_EQ(guest.Read(kStatusOffset), 1u);
  EXPECT_THAT(host_.line().all(), ElementsAre(true, true, false));
}

// Not while Interrupt Disable is set.
TEST_F(SavedInterruptsTest, IntxIsDisabled) {
  PciGuest guest(host_,
                 {.dialect = kRevision0, .interrupts = InterruptMode::kIntx},
                 Offer());
  guest.Enumerate();
  guest.SetCommand(PciGuest::kDecodeAndMaster | pci::kCommandInterruptDisable);
  guest.Write(kMaskOffset, 1);
  guest.device().OnPeerInterrupt(0);
  guest.SaveAndRestore();
  EXPECT_THAT(host_.line().all(), IsEmpty());
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_THAT(host_.line().all(), ElementsAre(true));
}

// A signal that waits in an own vector's event belongs to the state, though
// nobody has read it: as a pending bit, or it is sent.
TEST_F(SavedInterruptsTest, SignalsThatNobodyHasReadYet) {
  PciDevice::Host offer = Offer();
  offer.router = nullptr;
  PciGuest guest(host_, {.vectors = 2, .id = 3}, offer);
  guest.Enumerate();
  guest.EnableMsix();
  guest.MaskVector(1, true);
  const EventHandle open = ConnectOwn(guest, 0);
  const EventHandle masked = ConnectOwn(guest, 1);
  for (const EventHandle event : {open, masked}) {
    host_.events().Signal(event);
    host_.events().Signal(event);
  }
  const PciDeviceState state = guest.pci().Save();
  EXPECT_THAT(host_.msi().all(), ElementsAre(PciGuest::Message(0)));
  EXPECT_FALSE(state.function.msix[0].pending);
  EXPECT_TRUE(state.function.msix[1].pending);
  EXPECT_EQ(host_.events().count(open) + host_.events().count(masked), 0u);
}

// A routed vector's signals do not wait anywhere here; one that is masked has
// no route, and its signals are found. After the device has gone, its event
// keeps what comes for the restored one.
TEST_F(SavedInterruptsTest, RoutedVectors) {
  PciGuest guest(host_, {.vectors = 2, .id = 3}, Offer());
  guest.Enumerate();
  guest.EnableMsix();
  guest.MaskVector(1, true);
  const EventHandle routed = ConnectOwn(guest, 0);
  const EventHandle masked = ConnectOwn(guest, 1);
  host_.executor().RunAll();
  host_.events().Signal(routed);
  host_.events().Signal(masked);
  EXPECT_THAT(host_.msi().all(), ElementsAre(PciGuest::Message(0)));
  const PciDeviceState state = guest.SaveAndRestore();
  EXPECT_FALSE(state.function.msix[0].pending);
  EXPECT_TRUE(state.function.msix[1].pending);

  host_.events().Signal(routed);
  EXPECT_EQ(host_.msi().all().size(), 1u) << "nobody's for the moment";
  EXPECT_TRUE(guest.device()
                  .peers()
                  .Connect(3, 0,
                           std::make_shared<mock::EventNotifier>(host_.events(),
                                                                 routed))
                  .ok());
  host_.executor().RunAll();
  EXPECT_THAT(host_.msi().all(),
              ElementsAre(PciGuest::Message(0), PciGuest::Message(0)))
      << "the route is there again, and sends what it finds";
}

}  // namespace
}  // namespace ivshmem
