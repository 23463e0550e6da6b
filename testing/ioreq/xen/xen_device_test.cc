// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The specification's device, through Xen's page: its guest is in another
// process, which watches the page's rules.

#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "core/switchboard.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"
#include "testing/ioreq/xen/xen_guest.h"

namespace ivshmem {
namespace {

using xen_simulation::Command;
using xen_simulation::kPage;
using xen_simulation::Reply;

constexpr uint64_t kSize = 1 << 16;
constexpr const char* kRegion = "region";
constexpr int kVectors = 2;

// Devices 3 and 4 of one guest, peers 1 and 2 of one region.
class XenDeviceTest : public ::testing::Test {
 protected:
  struct Plugged {
    int number;
    std::unique_ptr<PciDevice> device;
    std::unique_ptr<Switchboard::Port> port;

    uint64_t bar0() const { return 0xe0000000 + 0x10000 * number; }
    uint64_t bar1() const { return 0xe1000000 + 0x10000 * number; }
    uint64_t bar2() const { return 0x800000000 + (uint64_t{1} << 32) * number; }
  };

  void SetUp() override {
    ASSERT_TRUE(switchboard_.AddRegion(kRegion, {bytes_, kSize}).ok());
    a_ = Plug(3, 1);
    b_ = Plug(4, 2);
  }
  void TearDown() override {
    // The guest is the last that uses the devices, by its engine.
    guest_.server().Stop();
    for (Plugged* plugged : {&a_, &b_}) {
      plugged->port = nullptr;
      plugged->device = nullptr;
    }
  }

  Plugged Plug(int number, PeerId id) {
    auto device = PciDevice::Create(
        {.vectors = kVectors}, {bytes_, kSize},
        {.mmio = &guest_.server().space(ioreq::Space::kMemory),
         .msi = &guest_.server().msi()});
    EXPECT_TRUE(device.ok()) << device.status();
    auto port = switchboard_.Bind(kRegion, kSize, (*device)->device(), id);
    EXPECT_TRUE(port.ok()) << port.status();
    guest_.server().Plug(**device, number);
    return {number, *std::move(device), *std::move(port)};
  }

  void Enumerate() {
    for (const Plugged* plugged : {&a_, &b_}) {
      PlaceBars(*plugged);
      EnableMsix(*plugged);
    }
  }
  void PlaceBars(const Plugged& plugged) {
    const auto set = [&](int bar, uint64_t address) {
      guest_.SetConfig(plugged.number, pci::kBar0 + 4 * bar,
                       static_cast<uint32_t>(address));
    };
    set(0, plugged.bar0());
    set(1, plugged.bar1());
    set(2, plugged.bar2());
    set(3, plugged.bar2() >> 32);
    guest_.SetConfig(plugged.number, pci::kCommand,
                     pci::kCommandMemorySpace | pci::kCommandBusMaster, 2);
  }
  void EnableMsix(const Plugged& plugged) {
    for (int v = 0; v < kVectors; ++v) {
      guest_.Write(plugged.bar1() + 16 * v, 0xfee01000, 8);
      guest_.Write(plugged.bar1() + 16 * v + 8, Data(plugged, v));
      Mask(plugged, v, false);
    }
    guest_.SetConfig(plugged.number, pci::kMsixControl, pci::kMsixControlEnable,
                     2);
  }
  void Mask(const Plugged& plugged, int vector, bool masked) {
    guest_.Write(plugged.bar1() + 16 * vector + 12, masked ? 1 : 0);
  }
  static uint32_t Data(const Plugged& plugged, int vector) {
    return static_cast<uint32_t>(0x20 + 16 * plugged.number + vector);
  }
  void Ring(const Plugged& by, PeerId peer, Vector vector, int vcpu = 0) {
    guest_.Write(by.bar0() + kDoorbellOffset, Doorbell{peer, vector}.Encode(),
                 4, vcpu);
  }
  Reply TakeMessages() {
    return guest_.domain().Call({.kind = Command::kTakeMessages});
  }
  // One message, this one.
  void ExpectMessage(const Plugged& plugged, int vector) {
    const Reply messages = TakeMessages();
    EXPECT_EQ(messages.value, 1u);
    EXPECT_EQ(messages.a, 0xfee01000u);
    EXPECT_EQ(messages.b, Data(plugged, vector));
  }

  alignas(4096) uint8_t bytes_[kSize] = {};
  Switchboard switchboard_;
  XenGuest guest_;
  Plugged a_;
  Plugged b_;
};

// Config space is found by its SBDF, of any width.
TEST_F(XenDeviceTest, ConfigSpace) {
  EXPECT_EQ(guest_.Config(3, 0), 0x11101af4u);
  EXPECT_EQ(guest_.Config(4, 2, 2), 0x1110u);
  EXPECT_EQ(guest_.Config(4, 1, 1), 0x1au);
  EXPECT_EQ(guest_.Config(5, 0), 0xffffffffu);
  guest_.SetConfig(3, pci::kBar0, 0xffffffff);
  EXPECT_EQ(guest_.Config(3, pci::kBar0), 0xffffff00u);
}

// A BAR is claimed where the guest places it, and nowhere else.
TEST_F(XenDeviceTest, BarsMove) {
  EXPECT_EQ(guest_.Read(a_.bar0() + kPositionOffset), 0xffffffffu);
  PlaceBars(a_);
  EXPECT_EQ(guest_.Read(a_.bar0() + kPositionOffset), 1u);
  guest_.SetConfig(3, pci::kBar0, 0xe8000000);
  EXPECT_EQ(guest_.Read(0xe8000000 + kPositionOffset), 1u);
  EXPECT_EQ(guest_.Read(a_.bar0() + kPositionOffset), 0xffffffffu);
  guest_.SetConfig(3, pci::kCommand, 0, 2);
  EXPECT_EQ(guest_.Read(0xe8000000 + kPositionOffset), 0xffffffffu);
}

// A doorbell is a message of the peer's, injected.
TEST_F(XenDeviceTest, Doorbells) {
  Enumerate();
  EXPECT_EQ(TakeMessages().value, 0u);
  Ring(a_, 2, 1);
  ExpectMessage(b_, 1);
  Ring(b_, 1, 0, /*vcpu=*/3);
  ExpectMessage(a_, 0);
  Ring(a_, 1, 1);
  ExpectMessage(a_, 1);
  // No such peer, no such vector.
  Ring(a_, 3, 0);
  Ring(a_, 2, kVectors);
  EXPECT_EQ(TakeMessages().value, 0u);
}

// A masked vector's message comes when it is unmasked.
TEST_F(XenDeviceTest, MaskedVectors) {
  Enumerate();
  Mask(b_, 1, true);
  Ring(a_, 2, 1);
  EXPECT_EQ(TakeMessages().value, 0u);
  EXPECT_EQ(guest_.Read(b_.bar1() + 0x800, 8), 2u);
  Mask(b_, 1, false);
  ExpectMessage(b_, 1);
}

// The shared memory, where nothing maps it for the guest: by single accesses
// and by a string that copies from it to RAM.
TEST_F(XenDeviceTest, Memory) {
  Enumerate();
  const uint64_t value = 0x1122334455667788;
  guest_.Write(a_.bar2() + 0x100, value, 8);
  EXPECT_EQ(guest_.Read(b_.bar2() + 0x104), 0x11223344u);
  ioreq_t copy =
      XenRequest(IOREQ_TYPE_COPY, IOREQ_READ, a_.bar2() + 0x100, 4, 7 * kPage);
  copy.count = 2;
  copy.data_is_ptr = 1;
  EXPECT_EQ(guest_.Do(copy).result, 0);
  EXPECT_EQ(std::memcmp(guest_.domain().frame(7), &value, 8), 0);
}

// All vCPUs ring at once: each ring is a message.
TEST_F(XenDeviceTest, VcpusRingAtOnce) {
  Enumerate();
  constexpr int kRings = 200;
  std::vector<std::thread> vcpus;
  for (int v = 0; v < 4; ++v) {
    vcpus.emplace_back([&, v] {
      for (int i = 0; i < kRings; ++i) {
        Ring(v % 2 == 0 ? a_ : b_, static_cast<PeerId>(1 + i % 2),
             static_cast<Vector>(i / 2 % 2), v);
      }
    });
  }
  for (std::thread& vcpu : vcpus) vcpu.join();
  EXPECT_EQ(TakeMessages().value, 4u * kRings);
}

}  // namespace
}  // namespace ivshmem
