// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "bus/pci/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "testing/qemu/arguments.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/pci_function.h"
#include "testing/qemu/qemu.h"
#include "testing/qemu/qtest_command.h"
#include "testing/qemu/server_end.h"

// What QEMU's ivshmem-plain is, measured: the harness sees a device that needs
// no server, and the facts about its registers by which others are compared.
namespace ivshmem::qemu {
namespace {

using ::testing::ElementsAre;

constexpr uint64_t kSize = 1 << 20;

class PlainDeviceTest : public ::testing::Test {
 protected:
  void SetUp() override {
    absl::StatusOr<std::unique_ptr<Qemu>> qemu =
        Qemu::Start({.arguments = Arguments(PlainDevice{
                         .memory_fd = memory_.get(), .memory_size = kSize}),
                     .inherit = {memory_.get()}});
    ASSERT_TRUE(qemu.ok()) << qemu.status();
    qemu_ = *std::move(qemu);
    device_ = IvshmemDevice::SetUp(qemu_->qtest());
    ASSERT_NE(device_, nullptr);
  }

  uint32_t Config(int size, int offset) {
    return device_->function().Config(size, offset);
  }

  const UniqueFd memory_ = MakeMemory(kSize);
  std::unique_ptr<Qemu> qemu_;
  std::unique_ptr<IvshmemDevice> device_;
};

// Vendor 1af4, device 1110, revision 1, class 0500; no interrupt pin and no
// capabilities.
TEST_F(PlainDeviceTest, ConfigurationSpace) {
  EXPECT_EQ(device_->function().slot(), 4);
  EXPECT_EQ(Config(4, pci::kVendorId), 0x11101af4);
  EXPECT_EQ(Config(2, pci::kDeviceId), 0x1110);
  EXPECT_EQ(Config(1, pci::kDeviceId + 1), 0x11);
  EXPECT_EQ(Config(4, pci::kRevision), 0x05000001);
  EXPECT_EQ(Config(2, pci::kSubsystemVendorId), 0x1af4);
  EXPECT_EQ(Config(2, pci::kSubsystemId), 0x1100);
  EXPECT_EQ(Config(1, pci::kInterruptPin), 0);
  EXPECT_EQ(device_->function().FindCapability(pci::kMsixCapabilityId),
            std::nullopt);
  EXPECT_EQ(device_->msix().vectors(), 0);
}

// Only the bytes accessed change.
TEST_F(PlainDeviceTest, ConfigurationSpaceByBytes) {
  device_->function().SetConfig(4, pci::kCacheLineSize, 0);
  device_->function().SetConfig(1, pci::kInterruptLine, 0x5a);
  device_->function().SetConfig(1, pci::kCacheLineSize, 0x10);
  EXPECT_EQ(Config(4, pci::kInterruptLine), 0x5a);
  EXPECT_EQ(Config(4, pci::kCacheLineSize) & 0xff, 0x10);
  device_->function().SetConfig(2, pci::kBar0 + 2, 0xabcd);
  device_->function().SetConfig(1, pci::kBar0 + 1, 0x12);
  EXPECT_EQ(Config(4, pci::kBar0), 0xabcd1200);
  EXPECT_EQ(Config(2, pci::kBar0 + 2), 0xabcd);
}

// BAR 0 has 256 bytes; there is no BAR 1; BAR 2 has the memory, 64-bit and
// prefetchable. Each is where it was placed.
TEST_F(PlainDeviceTest, Bars) {
  PciFunction& function = device_->function();
  EXPECT_EQ(function.ProbeBar(0).size, 256);
  EXPECT_EQ(function.ProbeBar(0).type, 0);
  EXPECT_EQ(function.ProbeBar(1).size, 0);
  EXPECT_EQ(function.ProbeBar(2).size, kSize);
  EXPECT_EQ(function.ProbeBar(2).type, pci::kBar64Bit | pci::kBarPrefetchable);
  EXPECT_EQ(Config(4, pci::kBar0), function.bar(0));
  EXPECT_EQ(Config(4, pci::kBar0 + 8) & ~0xf, function.bar(2));
  EXPECT_EQ(function.bar(2) % kSize, 0);
  EXPECT_EQ(function.bar(1), 0);
}

TEST_F(PlainDeviceTest, SharesItsMemory) {
  void* const view = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED,
                          memory_.get(), 0);
  ASSERT_NE(view, MAP_FAILED);
  auto* const bytes = static_cast<uint8_t*>(view);
  device_->WriteMemory(kSize - 3, {1, 2, 3});
  EXPECT_EQ(bytes[kSize - 1], 3);
  bytes[4096] = 77;
  EXPECT_THAT(device_->ReadMemory(4095, 3), ElementsAre(0, 77, 0));
  munmap(view, kSize);
}

// Mask and Status are storage, and reading Status clears it; IVPosition is 0;
// Doorbell reads 0.
TEST_F(PlainDeviceTest, Registers) {
  device_->Write(0, 0x12345678);
  EXPECT_EQ(device_->Read(0), 0x12345678);
  device_->Write(4, 0xaabbccdd);
  EXPECT_EQ(device_->Read(4), 0xaabbccdd);
  EXPECT_EQ(device_->Read(4), 0);
  device_->Write(8, 7);
  EXPECT_EQ(device_->Position(), 0);
  EXPECT_EQ(device_->Read(12), 0);
  EXPECT_EQ(device_->Read(0x10), 0);
  EXPECT_EQ(device_->Read(0xfc), 0);
}

// A narrow read gives bytes at a register's beginning and 0 elsewhere; a read
// of 8 bytes is two of 4, so it clears Status.
TEST_F(PlainDeviceTest, NarrowAndWideReads) {
  device_->Write(0, 0x12345678);
  EXPECT_EQ(device_->Read(0, 1), 0x78);
  EXPECT_EQ(device_->Read(0, 2), 0x5678);
  EXPECT_EQ(device_->Read(1, 1), 0);
  EXPECT_EQ(device_->Read(2, 2), 0);
  device_->Write(4, 5);
  EXPECT_EQ(device_->Read(0, 8), 0x5'12345678);
  EXPECT_EQ(device_->Read(4), 0);
}

// A narrow write anywhere in a register overwrites all of it, unshifted.
TEST_F(PlainDeviceTest, NarrowWrites) {
  device_->Write(0, 0xffffffff);
  device_->Write(3, 0x88, 1);
  EXPECT_EQ(device_->Read(0), 0x88);
  device_->Write(2, 0x1234, 2);
  EXPECT_EQ(device_->Read(0), 0x1234);
}

// A reset clears Mask and Status.
TEST_F(PlainDeviceTest, Reset) {
  device_->Write(0, 1);
  device_->Write(4, 1);
  ASSERT_TRUE(qemu_->qmp().Execute("system_reset").ok());
  const absl::StatusOr<nlohmann::json> event = qemu_->qmp().WaitFor("RESET");
  ASSERT_TRUE(event.ok()) << event.status();
  device_ = IvshmemDevice::SetUp(qemu_->qtest());
  EXPECT_EQ(device_->Read(0), 0);
  EXPECT_EQ(device_->Read(4), 0);
}

TEST_F(PlainDeviceTest, ThereIsOnlyOne) {
  EXPECT_NONFATAL_FAILURE(
      EXPECT_EQ(IvshmemDevice::SetUp(qemu_->qtest(), 1), nullptr),
      "QEMU has 1 ivshmem devices");
}

}  // namespace
}  // namespace ivshmem::qemu
