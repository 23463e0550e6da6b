// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/pci_device.h"

#include <string>
#include <thread>

#include "core/switchboard.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"

namespace ivshmem {
namespace {

using mock::Entry;
using mock::Operation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

constexpr uint64_t kSize = PciGuest::kMemorySize;

class PciDeviceTest : public ::testing::Test {
 protected:
  // Without the short cuts: their tests are in shortcuts_test.cc.
  PciDevice::Host Plain() {
    return {.mmio = &host_.space(),
            .mapper = &host_.space(),
            .msi = &host_.msi(),
            .intx = &host_.line(),
            .events = &events_};
  }

  std::string CreateError(const PciDevice::Config& config,
                          const SharedMemory& memory) {
    const auto device = PciDevice::Create(config, memory, Plain());
    EXPECT_FALSE(device.ok());
    return std::string(device.status().message());
  }

  mock::Host host_;
  EventRecorder events_;
};

// "The device has vendor ID 1af4, device ID 1110, revision 1."  Class 0500 and
// subsystem 1af4:1100 as QEMU's, which drivers match.
// Clause: identity
TEST_F(PciDeviceTest, Identity) {
  PciGuest guest(host_, {}, Plain());
  EXPECT_EQ(guest.Config(0x00, 4), 0x11101af4u);
  EXPECT_EQ(guest.Config(0x08, 4), 0x05000001u);
  EXPECT_EQ(guest.Config(0x2c, 4), 0x11001af4u);
  EXPECT_EQ(guest.Config(pci::kHeaderType, 1), 0u);
  EXPECT_EQ(guest.Config(pci::kInterruptPin, 1), 0u);
}

// "Before QEMU 2.6.0, it had revision 0."
// Clause: identity
TEST_F(PciDeviceTest, Revision0) {
  PciGuest guest(host_,
                 {.dialect = kRevision0, .interrupts = InterruptMode::kIntx},
                 Plain());
  EXPECT_EQ(guest.Config(0x08, 4), 0x05000000u);
  EXPECT_EQ(guest.Config(pci::kInterruptPin, 1), pci::kInterruptPinA);
  EXPECT_EQ(guest.Config(pci::kBar0 + 4, 4), 0u) << "INTx has no MSI-X BAR";
}

// ACRN's variant: subsystem vendor 8086, the region's id as subsystem, the
// multi-function bit on function 0, 8 vectors.
// Differs: identity-acrn
TEST_F(PciDeviceTest, AcrnIdentity) {
  PciGuest guest(host_,
                 {.dialect = kAcrn, .subsystem_id = 7, .multi_function = true},
                 Plain());
  EXPECT_EQ(guest.Config(0x2c, 4), 0x00078086u);
  EXPECT_EQ(guest.Config(0x08, 4), 0x05000001u);
  EXPECT_EQ(guest.Config(pci::kHeaderType, 1), 0x80u);
  EXPECT_EQ(guest.Config(pci::kMsixControl, 2), 7u);
}

// Where nobody says which region it is: 8086:0000.
// Differs: identity-acrn
TEST_F(PciDeviceTest, AcrnIdentityOfNoRegion) {
  PciGuest guest(host_, {.dialect = kAcrn}, Plain());
  EXPECT_EQ(guest.Config(0x2c, 4), 0x00008086u);
}

// "BAR0 holds device registers (256 Byte MMIO), BAR1 holds MSI-X table and PBA,
// BAR2 maps the shared memory object": 32-bit, 32-bit, 64-bit prefetchable.
// Clause: bar0, bar1, bar2, pci-sizing
// Differs: driver-windows-bar0
TEST_F(PciDeviceTest, BarsBySizing) {
  PciGuest guest(host_, {}, Plain());
  for (int bar = 0; bar < 6; ++bar) {
    guest.SetConfig(pci::kBar0 + 4 * bar, 4, 0xffffffff);
  }
  EXPECT_EQ(guest.Config(pci::kBar0, 4), 0xffffff00u);
  EXPECT_EQ(guest.Config(pci::kBar0 + 4, 4), 0xfffff000u);
  EXPECT_EQ(guest.Config(pci::kBar0 + 8, 4), 0xffff000cu);
  EXPECT_EQ(guest.Config(pci::kBar0 + 12, 4), 0xffffffffu);
  EXPECT_EQ(guest.Config(pci::kBar0 + 16, 4), 0u);
  EXPECT_EQ(guest.Config(pci::kBar0 + 20, 4), 0u);
}

// "BAR1 ... (only ivshmem-doorbell)": a plain device has no BAR1 and no MSI-X.
// Clause: bar1, plain
TEST_F(PciDeviceTest, PlainHasNoMsix) {
  PciGuest guest(host_, {.interrupts = InterruptMode::kNone}, Plain());
  guest.SetConfig(pci::kBar0 + 4, 4, 0xffffffff);
  EXPECT_EQ(guest.Config(pci::kBar0 + 4, 4), 0u);
  EXPECT_EQ(guest.Config(pci::kStatus, 2) & pci::kStatusCapabilities, 0u);
  EXPECT_EQ(guest.Config(pci::kCapabilities, 1), 0u);
}

// A BAR is seen where the guest puts it, from the moment decode is on, and the
// shared memory is mapped, not trapped.
// Clause: bar0, bar2, pci-decode
TEST_F(PciDeviceTest, BarsAppearWhereTheGuestPutsThem) {
  PciGuest guest(host_, {}, Plain());
  EXPECT_THAT(host_.log().Take(), IsEmpty());
  guest.Enumerate();
  EXPECT_THAT(host_.log().Take(),
              UnorderedElementsAre(Entry::Claim(PciGuest::kBar0, 0x100),
                                   Entry::Claim(PciGuest::kBar1, 0x1000),
                                   Entry::Map(PciGuest::kBar2, kSize,
                                              MemoryAccess::kReadWrite)));
  guest.Write(kMaskOffset, 0x12345678);
  EXPECT_EQ(guest.Read(kMaskOffset), 0x12345678u);
  host_.space().Write32(PciGuest::kBar2 + 8, 0xcafe);
  EXPECT_EQ(guest.shared().data[8], 0xfe);
  EXPECT_EQ(host_.space().counts().memory, 1u);
}

// Memory Space Enable gates decode.
// Clause: pci-decode
TEST_F(PciDeviceTest, DecodeOffHidesTheBars) {
  PciGuest guest(host_, {}, Plain());
  guest.Enumerate();
  guest.SetCommand(0);
  EXPECT_EQ(guest.Read(kMaskOffset), 0xffffffffu);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0xffffffffu);
  EXPECT_EQ(host_.space().counts().unclaimed, 2u);
}

// A moved BAR is gone from the old place and is at the new one; the registers
// keep what they hold.
// Fault: acrn-8485
TEST_F(PciDeviceTest, MovedBarKeepsItsRegisters) {
  PciGuest guest(host_, {}, Plain());
  guest.device().SetId(5);
  guest.Enumerate();
  guest.Write(kMaskOffset, 7);
  guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_EQ(guest.Read(kMaskOffset), 0xffffffffu);
  EXPECT_EQ(host_.space().Read32(0xfd000000), 7u);
  EXPECT_EQ(host_.space().Read32(0xfd000000 + kPositionOffset), 5u);
}

// BARs may change places: all that is to go goes before anything comes.
TEST_F(PciDeviceTest, BarsMayOverlapInPassing) {
  PciGuest guest(host_, {}, Plain());
  guest.Enumerate();
  host_.log().Take();
  guest.SetCommand(0);
  guest.SetConfig(pci::kBar0, 4, PciGuest::kBar1);
  guest.SetConfig(pci::kBar0 + 4, 4, PciGuest::kBar0);
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kMapFailed), 0);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + kMaskOffset), 0u);
}

// A mapping that fails leaves the BAR unmapped, with an event, and the others
// as they are; the guest's next move is tried again.
TEST_F(PciDeviceTest, FailedMappingLeavesTheBarOut) {
  host_.faults().FailNth(Operation::kMap, 1, absl::InternalError("no slot"));
  PciGuest guest(host_, {}, Plain());
  guest.Enumerate();
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kMapFailed), 1);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0xffffffffu);
  EXPECT_EQ(guest.Read(kMaskOffset), 0u);
  guest.SetCommand(0);
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_EQ(events_.count(DeviceEvent::Kind::kMapFailed), 1);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar2), 0u);
}

// An access that was under way when its BAR went is answered harmlessly: ones,
// and nothing written.
TEST_F(PciDeviceTest, LateAccessesAreHarmless) {
  PciGuest guest(host_, {}, Plain());
  guest.device().SetId(0);
  guest.Enumerate();
  auto late = host_.space().Capture(PciGuest::kBar0 + kMaskOffset, 4);
  ASSERT_TRUE(late.ok());
  guest.SetCommand(0);
  const uint8_t ones[4] = {0xff, 0xff, 0xff, 0xff};
  late->Write(ones);
  uint8_t read[4] = {};
  late->Read(absl::MakeSpan(read));
  EXPECT_THAT(read, ElementsAre(0xff, 0xff, 0xff, 0xff));
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_EQ(guest.Read(kMaskOffset), 0u);
}

// Without a mapper the memory traps and is the same memory.
TEST_F(PciDeviceTest, MemoryWithoutAMapperTraps) {
  PciDevice::Host host = Plain();
  host.mapper = nullptr;
  PciGuest guest(host_, {}, host);
  guest.Enumerate();
  host_.space().Write32(PciGuest::kBar2 + kSize - 4, 0x01020304);
  EXPECT_EQ(guest.shared().data[kSize - 1], 0x01);
  EXPECT_EQ(host_.space().counts().claimed, 1u);
}

TEST_F(PciDeviceTest, ReadOnlyMemory) {
  PciGuest guest(host_, {.access = MemoryAccess::kReadOnly}, Plain());
  guest.Enumerate();
  host_.space().Write32(PciGuest::kBar2, 1);
  EXPECT_EQ(guest.shared().data[0], 0);
}

// "The peer's interrupt for this vector then becomes pending": through MSI-X,
// with the message that the guest programmed.
// Clause: doorbell-fields, bar2
TEST_F(PciDeviceTest, TwoDevicesRingEachOther) {
  PciGuest a(host_, {.vectors = 2}, Plain());
  mock::Host other_host;
  PciGuest b(other_host, {.vectors = 2},
             {.mmio = &other_host.space(), .msi = &other_host.msi()});
  Switchboard switchboard;
  ASSERT_TRUE(switchboard.AddRegion("r", a.shared()).ok());
  auto port_a = switchboard.Bind("r", kSize, a.device());
  auto port_b = switchboard.Bind("r", kSize, b.device());
  ASSERT_TRUE(port_a.ok() && port_b.ok());
  for (PciGuest* guest : {&a, &b}) {
    guest->Enumerate();
    guest->EnableMsix();
  }
  EXPECT_EQ(a.Read(kPositionOffset), 0u);
  EXPECT_EQ(b.Read(kPositionOffset), 1u);
  a.Ring(1, 1);
  EXPECT_THAT(other_host.msi().Take(), ElementsAre(PciGuest::Message(1)));
  b.Ring(0, 0);
  b.Ring(1, 0);  // Itself.
  EXPECT_THAT(host_.msi().Take(), ElementsAre(PciGuest::Message(0)));
  EXPECT_THAT(other_host.msi().Take(), ElementsAre(PciGuest::Message(0)));
  b.Ring(0, 2);
  b.Ring(9, 0);
  EXPECT_EQ(b.device().count(RingResult::kNoSuchVector), 1u);
  EXPECT_EQ(b.device().count(RingResult::kNoSuchPeer), 1u);
  EXPECT_EQ(b.device().count(RingResult::kDelivered), 2u);
}

// Each way in which an interrupt does not reach the guest at once is counted.
TEST_F(PciDeviceTest, InterruptsAreCountedByWhatBecameOfThem) {
  PciGuest guest(host_, {}, Plain());
  guest.Enumerate();
  Device& device = guest.device();
  EXPECT_EQ(device.OnPeerInterrupt(0), InterruptResult::kDisabled);
  guest.EnableMsix();
  guest.MaskVector(0, true);
  EXPECT_EQ(device.OnPeerInterrupt(0), InterruptResult::kHeld);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + 0x800), 1u);
  guest.MaskVector(0, false);
  EXPECT_THAT(host_.msi().Take(), ElementsAre(PciGuest::Message(0)));
  EXPECT_EQ(device.OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_EQ(device.OnPeerInterrupt(1), InterruptResult::kNoSuchVector);
  EXPECT_EQ(device.count(InterruptResult::kDisabled), 1u);
  EXPECT_EQ(device.count(InterruptResult::kHeld), 1u);
  EXPECT_EQ(device.count(InterruptResult::kDelivered), 1u);
  EXPECT_EQ(device.count(InterruptResult::kNoSuchVector), 1u);
}

// Revision 0: "INTx is asserted when the bit-wise AND of Status and Mask is
// non-zero and the device has no MSI-X capability. Interrupt Status Register
// bit 0 becomes 1 when an interrupt request from a peer is received. Reading
// the register clears it."
// Clause: intx-level, intx-status, status-clears
TEST_F(PciDeviceTest, Revision0Intx) {
  PciGuest guest(host_,
                 {.dialect = kRevision0, .interrupts = InterruptMode::kIntx},
                 Plain());
  guest.Enumerate();
  EXPECT_EQ(guest.device().OnPeerInterrupt(5), InterruptResult::kHeld);
  EXPECT_FALSE(host_.line().level());
  guest.Write(kMaskOffset, 0xffffffff);
  EXPECT_TRUE(host_.line().level());
  EXPECT_EQ(guest.Config(pci::kStatus, 2) & pci::kStatusInterrupt,
            pci::kStatusInterrupt);
  guest.SetCommand(PciGuest::kDecodeAndMaster | pci::kCommandInterruptDisable);
  EXPECT_FALSE(host_.line().level());
  EXPECT_EQ(guest.Config(pci::kStatus, 2) & pci::kStatusInterrupt,
            pci::kStatusInterrupt);
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_TRUE(host_.line().level());
  EXPECT_EQ(guest.Read(kStatusOffset), 1u);
  EXPECT_FALSE(host_.line().level());
  EXPECT_EQ(guest.Read(kStatusOffset), 0u);
}

// Revision 0 with MSI-X, as the old msi=on: Mask and Status gate nothing.
// Clause: intx-level
TEST_F(PciDeviceTest, Revision0Msix) {
  PciGuest guest(host_, {.dialect = kRevision0}, Plain());
  guest.device().SetId(1);
  guest.Enumerate();
  guest.EnableMsix();
  EXPECT_EQ(guest.device().OnPeerInterrupt(0), InterruptResult::kDelivered);
  EXPECT_EQ(guest.Read(kStatusOffset), 0u);
  EXPECT_EQ(host_.msi().count(), 1u);
  guest.Write(kMaskOffset, 1);
  guest.Write(kStatusOffset, 1);
  EXPECT_FALSE(host_.line().level());
}

// Reset: "Mask and Status 0, MSI-X off, vectors masked; IVPosition kept"; the
// BARs are where the bus's reset leaves them: nowhere.
// Clause: reset
TEST_F(PciDeviceTest, Reset) {
  PciGuest guest(host_, {}, Plain());
  guest.device().SetId(3);
  guest.Enumerate();
  guest.EnableMsix();
  guest.Write(kMaskOffset, 1);
  host_.log().Take();
  guest.pci().Reset();
  EXPECT_THAT(host_.log().Take(),
              UnorderedElementsAre(Entry::Unclaim(PciGuest::kBar0, 0x100),
                                   Entry::Unclaim(PciGuest::kBar1, 0x1000),
                                   Entry::Unmap(PciGuest::kBar2, kSize,
                                                MemoryAccess::kReadWrite)));
  EXPECT_EQ(guest.Read(kMaskOffset), 0xffffffffu);
  EXPECT_EQ(guest.Config(pci::kCommand, 2), 0u);
  EXPECT_EQ(guest.Config(pci::kMsixControl, 2), 0u);
  guest.Enumerate();
  EXPECT_EQ(guest.Read(kMaskOffset), 0u);
  EXPECT_EQ(guest.Read(kPositionOffset), 3u);
  EXPECT_EQ(host_.space().Read32(PciGuest::kBar1 + 12), 1u);
}

// A line that the guest had disabled does not flicker when a reset forgets so.
TEST_F(PciDeviceTest, ResetDoesNotAssertTheLine) {
  PciGuest guest(host_,
                 {.dialect = kRevision0, .interrupts = InterruptMode::kIntx},
                 Plain());
  guest.Enumerate();
  guest.SetCommand(PciGuest::kDecodeAndMaster | pci::kCommandInterruptDisable);
  guest.Write(kMaskOffset, 1);
  guest.device().OnPeerInterrupt(0);
  ASSERT_FALSE(host_.line().level());
  guest.pci().Reset();
  EXPECT_THAT(host_.line().all(), IsEmpty());
}

// Firmware's placement: BARs have addresses before the guest looks.
TEST_F(PciDeviceTest, PlacedBars) {
  PciDevice::Config config;
  config.bar_addresses = {0xfd000000, 0xfd001000, 0x900000000};
  PciGuest guest(host_, config, Plain());
  EXPECT_EQ(guest.Config(pci::kBar0, 4), 0xfd000000u);
  EXPECT_EQ(guest.Config(pci::kBar0 + 12, 4), 9u);
  guest.SetCommand(PciGuest::kDecodeAndMaster);
  EXPECT_EQ(host_.space().Read32(0xfd000000), 0u);
}

// Fault: qemu-odd-memory
TEST_F(PciDeviceTest, CreateErrorsNameTheField) {
  uint8_t bytes[4096];
  EXPECT_EQ(CreateError({}, {}), "memory: expected some, got none");
  EXPECT_EQ(CreateError({}, {bytes, 3000}),
            "memory.size: expected a power of two of at least 16 bytes (BAR2 "
            "can have no other size), got 3000");
  EXPECT_EQ(CreateError({.dialect = kQemuFlat}, {bytes, 4096}),
            "dialect: expected one of a PCI device (256 bytes of registers), "
            "got qemu-flat");
  EXPECT_EQ(CreateError({.interrupts = InterruptMode::kLine}, {bytes, 4096}),
            "interrupts: expected MSI-X, INTx or none of a PCI device, got a "
            "line");
  EXPECT_EQ(CreateError({.interrupts = InterruptMode::kIntx}, {bytes, 4096}),
            "interrupts: expected MSI-X or none of dialect rev1 (only rev0 has "
            "INTx), got INTx");
  EXPECT_EQ(CreateError({.vectors = 2049}, {bytes, 4096}),
            "vectors: expected 1..2048, got 2049");
}

// Memory is an address and a byte at least; BAR2 takes 16 at least.
TEST_F(PciDeviceTest, MemoryOfHardlyASize) {
  uint8_t bytes[16] = {};
  EXPECT_EQ(CreateError({}, {bytes, 0}), "memory: expected some, got none");
  EXPECT_EQ(CreateError({}, {nullptr, 16}), "memory: expected some, got none");
  EXPECT_EQ(CreateError({}, {bytes, 1}),
            "memory.size: expected a power of two of at least 16 bytes (BAR2 "
            "can have no other size), got 1");
  EXPECT_TRUE(PciDevice::Create({}, {bytes, 16}, {}).ok());
}

// The handler for an ECAM window is the guest's config space.
TEST_F(PciDeviceTest, ConfigByHandler) {
  PciGuest guest(host_, {}, Plain());
  uint8_t bytes[4] = {};
  guest.pci().config().Read(0, absl::MakeSpan(bytes));
  EXPECT_EQ(LoadLittleEndian(bytes), 0x11101af4u);
  bytes[0] = 11;
  guest.pci().config().Write(pci::kInterruptLine, absl::MakeSpan(bytes, 1));
  EXPECT_EQ(guest.Config(pci::kInterruptLine, 1), 11u);
}

// A guest that moves one BAR loses sight of no other, not even in passing.
TEST_F(PciDeviceTest, OnlyTheMovedBarMoves) {
  PciGuest guest(host_, {}, Plain());
  guest.Enumerate();
  host_.log().Take();
  guest.SetConfig(pci::kBar0, 4, 0xfd000000);
  EXPECT_THAT(host_.log().Take(),
              ElementsAre(Entry::Unclaim(PciGuest::kBar0, 0x100),
                          Entry::Claim(0xfd000000, 0x100)));
}

}  // namespace
}  // namespace ivshmem
