// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// This project's device inside a hypervisor, on ACRN's I/O emulation interface,
// with no page at all: two VMs, joined by the switchboard.

#include <cerrno>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backends/address_map.h"
#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/front.h"
#include "backends/ioreq/acrn/front_space.h"
#include "backends/ioreq/acrn/requests.h"
#include "backends/registration.h"
#include "bus/pci/config_ports.h"
#include "bus/pci/msi.h"
#include "bus/pci/registers.h"
#include "core/registers.h"
#include "core/shared_memory.h"
#include "core/switchboard.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using acrn::EmulationRanges;
using acrn::Front;
using acrn::FrontSpace;
using acrn::MmioRead;
using acrn::MmioWrite;
using acrn::PortRead;
using acrn::PortWrite;
using Messages = std::vector<pci::MsiMessage>;

constexpr uint64_t kSize = 2 << 20;
constexpr uint64_t kEcam = 0xb0000000;
constexpr uint64_t kBar0 = 0xe0000000;
constexpr uint64_t kBar1 = 0xe0010000;
constexpr uint64_t kBar2 = 0x800000000;

class Sink : public pci::MsiSink {
 public:
  void Send(const pci::MsiMessage& message) noexcept override {
    sent_.push_back(message);
  }
  Messages Take() { return std::exchange(sent_, {}); }

 private:
  Messages sent_;
};

// A VM as a hypervisor embeds it, without a device model.
class Vm {
 public:
  explicit Vm(const SharedMemory& memory) {
    EXPECT_TRUE(memory_.AddWindow(0xe0000000, 0x10000000).ok());
    EXPECT_TRUE(memory_.AddWindow(kEcam, 0x10000000).ok());
    EXPECT_TRUE(memory_.AddWindow(kBar2, 0x100000000).ok());
    EXPECT_TRUE(
        ports_.AddWindow(pci::ConfigPorts::kPort, pci::ConfigPorts::kPorts)
            .ok());
    ranges_.Launch();
    device_ = *PciDevice::Create({.dialect = kAcrn}, memory,
                                 {.mmio = &memory_, .msi = &sink_});
    const uint64_t offset = pci::EcamOffset(0, 3, 0);
    claims_.push_back(
        *functions_.Claim(offset, pci::kEcamFunctionSize, device_->config()));
    claims_.push_back(*memory_.Claim(kEcam + offset, pci::kEcamFunctionSize,
                                     device_->config()));
    claims_.push_back(*ports_.Claim(pci::ConfigPorts::kPort,
                                    pci::ConfigPorts::kPorts, config_ports_));
  }

  int Emulate(acrn_io_request& request) { return front_.Emulate(0, request); }
  uint64_t Read(uint64_t address, uint64_t size = 4) {
    acrn_io_request request = MmioRead(address, size);
    EXPECT_EQ(Emulate(request), 0);
    return request.reqs.mmio_request.value;
  }
  void Write(uint64_t address, uint64_t value, uint64_t size = 4) {
    acrn_io_request request = MmioWrite(address, size, value);
    EXPECT_EQ(Emulate(request), 0);
  }
  uint32_t Config(uint32_t offset) {
    acrn_io_request request = PortWrite(0xcf8, 4, 0x80001800 | offset);
    EXPECT_EQ(Emulate(request), 0);
    request = PortRead(0xcfc, 4);
    EXPECT_EQ(Emulate(request), 0);
    return request.reqs.pio_request.value;
  }
  void SetConfig(uint32_t offset, uint32_t value) {
    acrn_io_request request = PortWrite(0xcf8, 4, 0x80001800 | offset);
    EXPECT_EQ(Emulate(request), 0);
    request = PortWrite(0xcfc, 4, value);
    EXPECT_EQ(Emulate(request), 0);
  }

  void SetUp() {
    SetConfig(pci::kBar0, kBar0);
    SetConfig(pci::kBar0 + 4, kBar1);
    SetConfig(pci::kBar0 + 8, static_cast<uint32_t>(kBar2));
    SetConfig(pci::kBar0 + 12, static_cast<uint32_t>(kBar2 >> 32));
    SetConfig(pci::kCommand, pci::kCommandMemorySpace | pci::kCommandBusMaster);
    for (uint64_t v = 0; v < 8; ++v) {
      Write(kBar1 + 16 * v, 0xfee00000, 8);
      Write(kBar1 + 16 * v + 8, 0x30 + v, 8);
    }
    SetConfig(0x40, uint32_t{pci::kMsixControlEnable} << 16);
  }

  PciDevice& device() { return *device_; }
  Messages TakeMessages() { return sink_.Take(); }

 private:
  Sink sink_;
  EmulationRanges ranges_;
  FrontSpace memory_{ranges_, FrontSpace::Kind::kMemory};
  FrontSpace ports_{ranges_, FrontSpace::Kind::kPorts};
  AddressMap functions_;
  pci::ConfigPorts config_ports_{functions_};
  Front front_{ranges_, nullptr};
  std::unique_ptr<PciDevice> device_;
  std::vector<RegistrationPtr> claims_;
};

class AcrnFront : public ::testing::Test {
 protected:
  AcrnFront() {
    EXPECT_TRUE(switchboard_.AddRegion("hv:/r", view()).ok());
    a_port_ = *switchboard_.Bind("hv:/r", kSize, a_.device().device(), 0);
    b_port_ = *switchboard_.Bind("hv:/r", kSize, b_.device().device(), 1);
    a_.SetUp();
    b_.SetUp();
  }

  SharedMemory view() { return {region_.data(), region_.size()}; }

  std::vector<uint8_t> region_ = std::vector<uint8_t>(kSize);
  Switchboard switchboard_;
  Vm a_{view()};
  Vm b_{view()};
  std::unique_ptr<Switchboard::Port> a_port_;
  std::unique_ptr<Switchboard::Port> b_port_;
};

// The device is found by the ports and in the ECAM window, with its MSI-X.
TEST_F(AcrnFront, ConfigSpace) {
  EXPECT_EQ(a_.Config(pci::kVendorId), 0x11101af4u);
  EXPECT_EQ(a_.Read(kEcam + (3 << 15)), 0x11101af4u);
  EXPECT_EQ(a_.Config(0x40), 0x80070011u);
  EXPECT_EQ(a_.Read(kEcam + (4 << 15)), 0xffffffffu);
}

// Registers by ACRN's rules.
TEST_F(AcrnFront, Registers) {
  EXPECT_EQ(a_.Read(kBar0 + kPositionOffset), 0u);
  EXPECT_EQ(b_.Read(kBar0 + kPositionOffset), 1u);
  b_.Write(kBar0 + kStatusOffset, 0x77);
  EXPECT_EQ(b_.Read(kBar0 + kStatusOffset), 0x77u);
  EXPECT_EQ(b_.Read(kBar0 + kStatusOffset), 0x77u);
  b_.Write(kBar0 + kStatusOffset, 0xffff, 2);
  EXPECT_EQ(b_.Read(kBar0 + kStatusOffset, 8), 0u);
  EXPECT_EQ(b_.Read(kBar0 + kStatusOffset), 0x77u);
}

// One rings the other, through no page and no thread.
TEST_F(AcrnFront, Doorbell) {
  a_.Write(kBar0 + kDoorbellOffset, 1 << 16 | 5);
  EXPECT_EQ(b_.TakeMessages(),
            (Messages{{.address = 0xfee00000, .data = 0x35}}));
  EXPECT_TRUE(a_.TakeMessages().empty());
  b_.Write(kBar0 + kDoorbellOffset, 0 << 16 | 2);
  EXPECT_EQ(a_.TakeMessages(),
            (Messages{{.address = 0xfee00000, .data = 0x32}}));
}

// They share the memory, which traps here.
TEST_F(AcrnFront, Memory) {
  a_.Write(kBar2 + 0x100, 0x1122334455667788, 8);
  EXPECT_EQ(b_.Read(kBar2 + 0x104), 0x11223344u);
}

// A BAR that the guest moves after the launch, inside the windows and out.
TEST_F(AcrnFront, BarsMove) {
  a_.SetConfig(pci::kBar0, 0xe1000000);
  EXPECT_EQ(b_.Read(kBar0 + kPositionOffset), 1u);
  EXPECT_EQ(a_.Read(kBar0 + kPositionOffset), 0xffffffffu);
  EXPECT_EQ(a_.Read(0xe1000000 + kMaskOffset), 0u);
  a_.SetConfig(pci::kBar0, 0xc0000000);
  EXPECT_EQ(a_.Read(0xc0000000 + kMaskOffset), 0xffffffffu) << "no window";
  a_.SetConfig(pci::kBar0, kBar0);
  EXPECT_EQ(a_.Read(kBar0 + kPositionOffset), 0u);
}

// Across the end of BAR0: -EIO, as the interface has it.
TEST_F(AcrnFront, AcrossABar) {
  acrn_io_request request = MmioRead(kBar0 + 0xfc, 8);
  EXPECT_EQ(a_.Emulate(request), -EIO);
  request = MmioWrite(kBar0 - 2, 4, ~0u);
  EXPECT_EQ(a_.Emulate(request), -EIO);
  EXPECT_EQ(a_.Read(kBar0 + kMaskOffset), 0u);
}

}  // namespace
}  // namespace ivshmem
