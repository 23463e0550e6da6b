// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What ACRN's device does, through ACRN's page: its guest is in another
// process, which watches the page's rules.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "backends/linux/memory_object.h"
#include "bus/pci/registers.h"
#include "core/registers.h"
#include "core/switchboard.h"
#include "gtest/gtest.h"
#include "testing/ioreq/acrn/acrn_guest.h"

namespace ivshmem {
namespace {

constexpr uint64_t kSize = 2 << 20;
constexpr const char* kRegion = "hv:/shm_region_0";

using Messages = std::vector<pci::MsiMessage>;

// One guest with two devices, bound to the same region: VM ids 1 and 2.
class AcrnDeviceTest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override {
    object_.emplace(*MemoryObject::Memfd(kSize));
    memory_.emplace(*object_->Map());
    guest_.emplace(AcrnGuest::Options{.polling = GetParam()});
    guest_->vm().Share(memory_->view(), *object_);
    ASSERT_TRUE(switchboard_.AddRegion(kRegion, memory_->view()).ok());
    a_.emplace(*guest_, 3, memory_->view(), Host());
    b_.emplace(*guest_, 4, memory_->view(), Host());
    a_port_ = *switchboard_.Bind(kRegion, kSize, a_->device(), 1);
    b_port_ = *switchboard_.Bind(kRegion, kSize, b_->device(), 2);
  }

  void TearDown() override {
    // The guest is the last that uses the devices, by its engine.
    if (guest_.has_value()) guest_->StopServing();
  }

  PciDevice::Host Host() { return {.mapper = &guest_->segments()}; }

  void Enumerate() {
    for (AcrnDevice* device : {&*a_, &*b_}) {
      device->PlaceBars();
      device->EnableMsix();
    }
  }

  uint64_t Read(uint64_t address, uint64_t size = 4) {
    return guest_->Read(address, size);
  }
  uint32_t ConfigA(uint32_t offset, uint32_t size = 4) {
    return guest_->Config(3, offset, size);
  }

  std::optional<MemoryObject> object_;
  std::optional<MappedMemory> memory_;
  Switchboard switchboard_;
  std::optional<AcrnGuest> guest_;
  std::optional<AcrnDevice> a_;
  std::optional<AcrnDevice> b_;
  std::unique_ptr<Switchboard::Port> a_port_;
  std::unique_ptr<Switchboard::Port> b_port_;
};

INSTANTIATE_TEST_SUITE_P(Completion, AcrnDeviceTest, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Polled" : "Told";
                         });

// Vendor 1af4, device 1110, revision 1, base class 05 and sub-class 00;
// subsystem 8086 and the region's id; header type 0, with the multi-function
// bit for function 0; no INTx.
TEST_P(AcrnDeviceTest, Ids) {
  EXPECT_EQ(ConfigA(pci::kVendorId), 0x11101af4u);
  EXPECT_EQ(ConfigA(pci::kRevision), 0x05000001u);
  EXPECT_EQ(ConfigA(pci::kSubsystemVendorId), 0x00078086u);
  EXPECT_EQ(ConfigA(pci::kHeaderType, 1), 0x80u);
  EXPECT_EQ(ConfigA(pci::kInterruptPin, 1), 0u);
}

// BAR0: 256 bytes of 32-bit memory. BAR1: 4 KiB of it. BAR2: 64-bit,
// prefetchable, as large as the region. No others.
TEST_P(AcrnDeviceTest, Bars) {
  constexpr uint32_t kSizes[] = {0xffffff00, 0xfffff000, 0xffe0000c,
                                 0xffffffff, 0,          0};
  for (uint32_t bar = 0; bar < 6; ++bar) {
    guest_->SetConfig(3, pci::kBar0 + 4 * bar, 0xffffffff);
    EXPECT_EQ(ConfigA(pci::kBar0 + 4 * bar), kSizes[bar]) << bar;
  }
  guest_->SetConfig(3, 0x30, 0xffffffff);
  EXPECT_EQ(ConfigA(0x30), 0u) << "the ROM's";
}

// One capability: MSI-X at 0x40, with 8 vectors, the table at 0 and the PBA at
// 0x800 of BAR1. Of its control word Enable and Function Mask can be written.
TEST_P(AcrnDeviceTest, MsixCapability) {
  EXPECT_EQ(ConfigA(pci::kCapabilities, 1), 0x40u);
  EXPECT_EQ(ConfigA(0x40), 0x00070011u);
  EXPECT_EQ(ConfigA(pci::kMsixTable), 0x00000001u);
  EXPECT_EQ(ConfigA(pci::kMsixPba), 0x00000801u);
  guest_->SetConfig(3, 0x40, 0xffffffff);
  EXPECT_EQ(ConfigA(0x40), 0xc0070011u);
}

// Config space by the ports, by requests of the config type, and through an
// ECAM window is the same.
TEST_P(AcrnDeviceTest, ConfigSpaceEveryWay) {
  guest_->SetConfig(3, pci::kInterruptLine, 0x5a, 1);
  const uint64_t ecam = AcrnGuest::kEcam + (3 << 15) + pci::kInterruptLine;
  EXPECT_EQ(Read(ecam, 1), 0x5au);
  guest_->Write(ecam, 0xc3, 1);
  acrn_io_request request = {};
  request.type = ACRN_IOREQ_TYPE_PCICFG;
  request.reqs.pci_request.dev = 3;
  request.reqs.pci_request.reg = pci::kInterruptLine;
  request.reqs.pci_request.size = 1;
  EXPECT_EQ(guest_->Do(request).reqs.pci_request.value, 0xc3u);
  request.reqs.pci_request.direction = ACRN_IOREQ_DIR_WRITE;
  request.reqs.pci_request.value = 0x11;
  guest_->Do(request);
  EXPECT_EQ(ConfigA(pci::kInterruptLine, 1), 0x11u);
  // Another function, another bus, past the 4 KiB: nobody.
  request.reqs.pci_request.direction = ACRN_IOREQ_DIR_READ;
  for (const auto& [bus, func, reg] :
       {std::tuple(0u, 1u, 0u), std::tuple(1u, 0u, 0u), std::tuple(0u, 8u, 0u),
        std::tuple(256u, 0u, 0u), std::tuple(0u, 0u, 0x1000u),
        std::tuple(0u, 0u, 0xffdu)}) {
    request.reqs.pci_request.size = 4;
    request.reqs.pci_request.bus = bus;
    request.reqs.pci_request.func = func;
    request.reqs.pci_request.reg = reg;
    EXPECT_EQ(guest_->Do(request).reqs.pci_request.value, 0xffffffffu);
  }
}

// Mask and Status keep what is written, and a read does not clear. IVPosition
// is the VM's id, and read-only. The doorbell reads 0.
// Differs: status-acrn, position-acrn-flat
TEST_P(AcrnDeviceTest, Registers) {
  a_->PlaceBars();
  guest_->Write(a_->bar0() + kMaskOffset, 0x12345678);
  guest_->Write(a_->bar0() + kStatusOffset, 0x9abcdef0);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(a_->Register(kMaskOffset), 0x12345678u);
    EXPECT_EQ(a_->Register(kStatusOffset), 0x9abcdef0u);
  }
  guest_->Write(a_->bar0() + kPositionOffset, 77);
  EXPECT_EQ(a_->Register(kPositionOffset), 1u);
  EXPECT_EQ(a_->Register(kDoorbellOffset), 0u);
  EXPECT_EQ(a_->Register(0x10), 0u);
}

// Only 4 bytes, 4-aligned, below 16. Anything else writes nothing; what a read
// gives is not what somebody left there.
// Differs: access-acrn
TEST_P(AcrnDeviceTest, AccessRule) {
  a_->PlaceBars();
  guest_->Write(a_->bar0() + kMaskOffset, 0x12345678);
  for (const uint64_t size : {1, 2, 8}) {
    EXPECT_EQ(Read(a_->bar0(), size), 0u) << size;
    guest_->Write(a_->bar0(), ~0ull, size);
  }
  for (const uint64_t offset : {1, 2, 3}) {
    EXPECT_EQ(Read(a_->bar0() + offset), 0u) << offset;
    guest_->Write(a_->bar0() + offset, ~0u);
  }
  for (uint64_t offset = 16; offset < 256; offset += 4) {
    guest_->Write(a_->bar0() + offset, ~0u);
    EXPECT_EQ(Read(a_->bar0() + offset), 0u) << offset;
  }
  EXPECT_EQ(a_->Register(kMaskOffset), 0x12345678u);
  EXPECT_EQ(a_->Register(kStatusOffset), 0u);
}

// The doorbell: vector in bits 15:0, peer in 31:16. Ringing oneself is allowed.
TEST_P(AcrnDeviceTest, Doorbell) {
  Enumerate();
  a_->Ring(2, 5);
  EXPECT_EQ(guest_->TakeMessages(), (Messages{b_->Message(5)}));
  b_->Ring(1, 0);
  a_->Ring(1, 7);
  EXPECT_EQ(guest_->TakeMessages(), (Messages{a_->Message(0), a_->Message(7)}));
}

// Its checks: the peer's number, whether it is bound, its MSI-X, the vector's
// number. What fails is dropped.
TEST_P(AcrnDeviceTest, DoorbellChecks) {
  Enumerate();
  a_->Ring(0xffff, 0);
  a_->Ring(3, 0);
  a_->Ring(2, 8);
  a_->Ring(2, 0x100);
  EXPECT_TRUE(guest_->TakeMessages().empty());
  guest_->SetConfig(4, pci::kMsixControl, 0, 2);
  a_->Ring(2, 0);
  EXPECT_TRUE(guest_->TakeMessages().empty());
  guest_->SetConfig(4, pci::kMsixControl, pci::kMsixControlEnable, 2);
  EXPECT_TRUE(guest_->TakeMessages().empty()) << "it was dropped";
  b_port_ = nullptr;
  a_->Ring(2, 0);
  EXPECT_TRUE(guest_->TakeMessages().empty());
  EXPECT_EQ(b_->Register(kPositionOffset), 0u);
}

// The MSI-X table is accessed in 4 or 8 bytes, aligned. Others change nothing.
TEST_P(AcrnDeviceTest, MsixTable) {
  a_->PlaceBars();
  guest_->Write(a_->bar1() + 16, 0x1111222233334444, 8);
  guest_->Write(a_->bar1() + 24, 0x55556666);
  EXPECT_EQ(Read(a_->bar1() + 16, 8), 0x1111222233334444u);
  EXPECT_EQ(Read(a_->bar1() + 20), 0x11112222u);
  guest_->Write(a_->bar1() + 16, 0xff, 1);
  guest_->Write(a_->bar1() + 18, 0xffff, 2);
  guest_->Write(a_->bar1() + 18, 0xffffffff);
  guest_->Write(a_->bar1() + 20, ~0ull, 8);
  EXPECT_EQ(Read(a_->bar1() + 16, 8), 0x1111222233334444u);
  EXPECT_EQ(Read(a_->bar1() + 24), 0x55556666u);
}

// BAR2 is the region: what one writes the other reads, with no exit; and it is
// the region that the embedder made, never cleared.
TEST_P(AcrnDeviceTest, SharedMemory) {
  memory_->view().data[kSize - 1] = 0x77;
  Enumerate();
  const uint64_t before =
      guest_->vm().Call({.kind = acrn_simulation::Command::kReport}).value;
  EXPECT_EQ(Read(b_->bar2() + kSize - 1, 1), 0x77u);
  guest_->Write(a_->bar2() + 0x1238, 0x1122334455667788, 8);
  EXPECT_EQ(Read(b_->bar2() + 0x123c), 0x11223344u);
  EXPECT_EQ(memory_->view().data[0x1238], 0x88);
  EXPECT_EQ(
      guest_->vm().Call({.kind = acrn_simulation::Command::kReport}).value,
      before);
}

// --- The known faults, each shown fixed --------------------------------------

// An interrupt for a masked vector is in the PBA, and delivered when it is
// unmasked; once.
// Fault: acrn-masked-lost
TEST_P(AcrnDeviceTest, FaultMaskedVectorsAreLost) {
  Enumerate();
  b_->MaskVector(6, true);
  a_->Ring(2, 6);
  EXPECT_TRUE(guest_->TakeMessages().empty());
  EXPECT_EQ(Read(b_->bar1() + 0x800, 8), 1u << 6);
  b_->MaskVector(6, false);
  EXPECT_EQ(guest_->TakeMessages(), (Messages{b_->Message(6)}));
  EXPECT_EQ(Read(b_->bar1() + 0x800, 8), 0u);
}

// The same while the whole function is masked.
// Fault: acrn-masked-lost
TEST_P(AcrnDeviceTest, FaultMaskedFunctionsLoseInterrupts) {
  Enumerate();
  guest_->SetConfig(4, pci::kMsixControl,
                    pci::kMsixControlEnable | pci::kMsixControlFunctionMask, 2);
  a_->Ring(2, 3);
  EXPECT_TRUE(guest_->TakeMessages().empty());
  EXPECT_EQ(Read(b_->bar1() + 0x800, 4), 1u << 3);
  guest_->SetConfig(4, pci::kMsixControl, pci::kMsixControlEnable, 2);
  EXPECT_EQ(guest_->TakeMessages(), (Messages{b_->Message(3)}));
}

// More than 8 regions, one VM with several devices in the same one, ids that
// are not the VM's.
// Fault: acrn-fixed-numbers
TEST_P(AcrnDeviceTest, FaultOneDeviceForEachVmAndRegion) {
  Enumerate();
  std::vector<std::unique_ptr<AcrnDevice>> devices;
  std::vector<std::unique_ptr<Switchboard::Port>> ports;
  for (int i = 0; i < 12; ++i) {
    const std::string region = i == 0 ? kRegion : "hv:/" + std::to_string(i);
    if (i != 0) {
      ASSERT_TRUE(switchboard_.AddRegion(region, memory_->view()).ok());
    }
    devices.push_back(
        std::make_unique<AcrnDevice>(*guest_, 5 + i, memory_->view(), Host()));
    ports.push_back(
        *switchboard_.Bind(region, kSize, devices.back()->device(), 1000 + i));
    devices.back()->PlaceBars();
    devices.back()->EnableMsix();
    EXPECT_EQ(devices.back()->Register(kPositionOffset), 1000u + i);
  }
  a_->Ring(1000, 1);
  a_->Ring(1001, 1);
  EXPECT_EQ(guest_->TakeMessages(), (Messages{devices[0]->Message(1)}));
  // Ports go before the devices.
  guest_->StopServing();
}

// A peer that unbinds while it is rung by other vCPUs.
// Fault: acrn-unbind-race
TEST_P(AcrnDeviceTest, FaultUnbindRacesRings) {
  Enumerate();
  std::atomic<bool> stop{false};
  std::thread ringer([&] {
    while (!stop) a_->Ring(2, 1, /*vcpu=*/1);
  });
  for (int i = 0; i < 50; ++i) {
    b_port_ = nullptr;
    b_port_ = *switchboard_.Bind(kRegion, kSize, b_->device(), 2);
  }
  stop = true;
  ringer.join();
  // However many there were.
  guest_->vm().Call({.kind = acrn_simulation::Command::kTakeMessages});
  a_->Ring(2, 1);
  EXPECT_EQ(guest_->TakeMessages(), (Messages{b_->Message(1)}));
}

// #8485: a BAR that moves does not touch the registers.
// Fault: acrn-8485
TEST_P(AcrnDeviceTest, Fault8485RegistersLostWhenABarMoves) {
  a_->PlaceBars();
  guest_->Write(a_->bar0(), 0x55);
  for (const int bar : {0, 1}) {
    guest_->SetConfig(3, pci::kBar0 + 4 * bar, 0xe4000000 + 0x10000 * bar);
  }
  EXPECT_EQ(Read(0xe4000000 + kMaskOffset), 0x55u);
  EXPECT_EQ(Read(0xe4000000 + kPositionOffset), 1u);
  EXPECT_EQ(Read(a_->bar0() + kPositionOffset), 0xffffffffu);
}

// #8487: past the four registers BAR0 reads 0, and past BAR0 nobody is.
// Fault: acrn-8487
TEST_P(AcrnDeviceTest, Fault8487Bar0OutOfBounds) {
  a_->PlaceBars();
  EXPECT_EQ(Read(a_->bar0() + 0x10), 0u);
  EXPECT_EQ(Read(a_->bar0() + 0xfc), 0u);
  EXPECT_EQ(Read(a_->bar0() + 0x100), 0xffffffffu);
  EXPECT_EQ(Read(a_->bar0() + 0xfc, 8), ~uint64_t{0}) << "across its end";
  guest_->Write(a_->bar0() + 0xfc, ~0ull, 8);
  EXPECT_EQ(guest_->dispatcher().counts().spanning, 2u);
}

// #5717: BAR0 is 256 bytes, not 4 KiB.
// Fault: acrn-5717
TEST_P(AcrnDeviceTest, Fault5717Bar0Of4KiB) {
  guest_->SetConfig(3, pci::kBar0, 0xffffffff);
  EXPECT_EQ(ConfigA(pci::kBar0), 0xffffff00u);
}

// Ids, status and the capability pointer are not the guest's to write, whatever
// the width; and a BAR is written as wide as the access is.
// Fault: acrn-config-writable
TEST_P(AcrnDeviceTest, FaultConfigSpaceIsWritable) {
  for (const uint32_t offset : {0x00, 0x08, 0x2c, 0x34}) {
    const uint32_t before = ConfigA(offset);
    guest_->SetConfig(3, offset, ~before);
    guest_->SetConfig(3, offset + 1, ~before, 1);
    guest_->SetConfig(3, offset + 2, ~before, 2);
    EXPECT_EQ(ConfigA(offset), before) << offset;
  }
  const uint32_t status = ConfigA(pci::kStatus, 2);
  guest_->SetConfig(3, pci::kStatus, 0xffff, 2);
  EXPECT_EQ(ConfigA(pci::kStatus, 2), status);
  guest_->SetConfig(3, pci::kBar0, 0xe0030000);
  guest_->SetConfig(3, pci::kBar0 + 3, 0xd0, 1);
  EXPECT_EQ(ConfigA(pci::kBar0), 0xd0030000u);
}

// BAR4, BAR5 and the ROM's BAR are wired to 0.
// Fault: acrn-phantom-rom
TEST_P(AcrnDeviceTest, FaultPhantomRom) {
  for (const uint32_t offset : {0x20, 0x24, 0x30}) {
    guest_->SetConfig(3, offset, 0xfffff801);
    EXPECT_EQ(ConfigA(offset), 0u) << offset;
  }
}

// Without Memory Space Enable nobody answers at the BARs.
// Fault: acrn-memory-space
TEST_P(AcrnDeviceTest, FaultMemorySpaceEnableIgnored) {
  Enumerate();
  guest_->SetConfig(3, pci::kCommand, 0, 2);
  EXPECT_EQ(Read(a_->bar0() + kPositionOffset), 0xffffffffu);
  EXPECT_EQ(Read(a_->bar1()), 0xffffffffu);
  EXPECT_EQ(Read(a_->bar2()), 0xffffffffu);
  a_->Ring(2, 0);
  EXPECT_TRUE(guest_->TakeMessages().empty());
  guest_->SetConfig(3, pci::kCommand, pci::kCommandMemorySpace, 2);
  EXPECT_EQ(Read(a_->bar0() + kPositionOffset), 1u);
}

// #8234: a region's name or size that does not match is an error that says
// which, what was expected and what came.
// Fault: acrn-8234
TEST_P(AcrnDeviceTest, Fault8234BareErrors) {
  a_port_ = nullptr;
  auto port = switchboard_.Bind("hv:/shm_region_1", kSize, a_->device());
  EXPECT_NE(std::string(port.status().message()).find("hv:/shm_region_1"),
            std::string::npos)
      << port.status();
  EXPECT_NE(std::string(port.status().message()).find(kRegion),
            std::string::npos)
      << port.status();
  port = switchboard_.Bind(kRegion, 2 * kSize, a_->device());
  const std::string message(port.status().message());
  EXPECT_NE(message.find(std::to_string(kSize)), std::string::npos) << message;
  EXPECT_NE(message.find(std::to_string(2 * kSize)), std::string::npos)
      << message;
}

}  // namespace
}  // namespace ivshmem
