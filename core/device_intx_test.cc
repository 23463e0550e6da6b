// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Revision 0's interrupt, which is a level: "Interrupt Status and Mask Register
// together control the legacy INTx interrupt when the device has no MSI-X
// capability".

#include <memory>
#include <vector>

#include "core/device.h"
#include "core/settle.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// The bus, as it should be: a line that follows the level through a Settler.
class Line : public LevelListener {
 public:
  void LevelMayHaveChanged() noexcept override {
    settler_.Kick([this] {
      ++applied;
      asserted = device->interrupt_level();
    });
  }

  Device* device = nullptr;
  bool asserted = false;
  int applied = 0;

 private:
  Settler settler_;
};

class Events : public DeviceEvents {
 public:
  void OnEvent(const DeviceEvent& event) noexcept override {
    seen.push_back(event);
  }
  std::vector<DeviceEvent> seen;
};

std::unique_ptr<Device> MakeIntx(Line& line, DeviceEvents* events = nullptr) {
  auto device = *Device::Create({.dialect = kRevision0,
                                 .interrupts = InterruptMode::kIntx,
                                 .vectors = 1,
                                 .id = 3},
                                {.level = &line, .events = events});
  line.device = device.get();
  return device;
}

class DeviceIntxTest : public ::testing::Test {
 protected:
  void Mask(uint32_t value) { device_->Write(kMaskOffset, 4, value); }
  void Status(uint32_t value) { device_->Write(kStatusOffset, 4, value); }
  uint64_t ReadStatus() { return device_->Read(kStatusOffset, 4); }

  Line line_;
  Events events_;
  std::unique_ptr<Device> device_ = MakeIntx(line_, &events_);
};

// "Interrupt Status Register bit 0 becomes 1 when an interrupt request from a
// peer is received. Reading the register clears it."
// Clause: intx-status, status-clears
TEST_F(DeviceIntxTest, AnInterruptSetsStatus) {
  device_->OnPeerInterrupt(0);
  EXPECT_EQ(ReadStatus(), 1u);
  EXPECT_EQ(ReadStatus(), 0u);
  Status(6);
  device_->OnPeerInterrupt(0);
  EXPECT_EQ(ReadStatus(), 7u) << "reserved bits are preserved";
}

// "INTx is asserted when the bit-wise AND of Status and Mask is non-zero", in
// whatever order the two come about, and by any bit.
// Clause: intx-level
TEST_F(DeviceIntxTest, TheLevelIsStatusAndMask) {
  Mask(1);
  EXPECT_FALSE(line_.asserted);
  device_->OnPeerInterrupt(0);
  EXPECT_TRUE(line_.asserted);
  EXPECT_TRUE(device_->interrupt_level());
  ReadStatus();
  EXPECT_FALSE(line_.asserted);
  EXPECT_FALSE(device_->interrupt_level());
  device_->OnPeerInterrupt(0);
  Mask(0);
  EXPECT_FALSE(line_.asserted);
  Mask(0xffffffff);
  EXPECT_TRUE(line_.asserted) << "Status still has it";
  Status(0);
  EXPECT_FALSE(line_.asserted) << "by writing as well as by reading";
  Mask(0x80000000);
  Status(0x7fffffff);
  EXPECT_FALSE(line_.asserted);
  Status(0x80000000);
  EXPECT_TRUE(line_.asserted);
}

// "This asserts INTx unless masked by the Interrupt Mask register": the result
// says which, and so do the event and the counter.
TEST_F(DeviceIntxTest, ResultsSayWhetherTheGuestHasIt) {
  EXPECT_EQ(device_->OnPeerInterrupt(0), InterruptResult::kHeld);
  Mask(1);
  EXPECT_EQ(device_->OnPeerInterrupt(0), InterruptResult::kDelivered);
  ASSERT_EQ(events_.seen.size(), 2u);
  EXPECT_EQ(events_.seen[0].interrupt, InterruptResult::kHeld);
  EXPECT_EQ(events_.seen[1].interrupt, InterruptResult::kDelivered);
  EXPECT_EQ(device_->count(InterruptResult::kHeld), 1u);
  EXPECT_EQ(device_->count(InterruptResult::kDelivered), 1u);
}

// "The device is not capable to communicate the interrupt vector": any will do.
// Clause: intx-vector
TEST_F(DeviceIntxTest, TheVectorIsIgnored) {
  Mask(1);
  for (const Vector vector : {0, 1, 65535}) {
    EXPECT_EQ(device_->OnPeerInterrupt(vector), InterruptResult::kDelivered);
    EXPECT_EQ(ReadStatus(), 1u);
  }
}

// The bus is told when the level changes and is left alone otherwise.
TEST_F(DeviceIntxTest, TellsOfChangesOnly) {
  device_->OnPeerInterrupt(0);  // Masked.
  Mask(2);
  device_->Read(kMaskOffset, 4);
  EXPECT_EQ(line_.applied, 0);
  Mask(1);
  EXPECT_EQ(line_.applied, 1);
  device_->OnPeerInterrupt(0);
  Mask(3);
  EXPECT_EQ(line_.applied, 1);
  device_->Read(kMaskOffset, 8);  // Both registers: clears Status.
  EXPECT_EQ(line_.applied, 2);
  ReadStatus();
  EXPECT_EQ(line_.applied, 2);
}

// An embedder's own dialect may have both revision 0's level and QEMU's pieces.
// One access then writes Status and rings, and the line follows all the same.
TEST_F(DeviceIntxTest, AnAccessThatRingsAndRaisesTheLine) {
  Dialect dialect = kRevision0;
  dialect.access = AccessRule::kQemuPieces;
  const auto device = *Device::Create({.dialect = dialect,
                                       .interrupts = InterruptMode::kIntx,
                                       .vectors = 1,
                                       .id = 3},
                                      {.level = &line_, .events = &events_});
  line_.device = device.get();
  device->Write(kMaskOffset, 4, 2);
  device->Write(5, 8,
                uint64_t{9} << 56 | 2 << 8);  // A word at 6, byte 9 at 12.
  ASSERT_EQ(events_.seen.size(), 1u);
  EXPECT_EQ(events_.seen[0].doorbell, (Doorbell{0, 9}));
  EXPECT_TRUE(line_.asserted);
}

// On reset both registers are 0, so the line goes down.
// Clause: reset
TEST_F(DeviceIntxTest, ResetLowersTheLine) {
  Mask(1);
  device_->OnPeerInterrupt(0);
  EXPECT_TRUE(line_.asserted);
  device_->Reset();
  EXPECT_FALSE(line_.asserted);
  EXPECT_EQ(device_->Read(kMaskOffset, 8), 0u);
  device_->Reset();
  EXPECT_EQ(line_.applied, 2) << "it was low already";
}

// "When the device has no MSI-X capability": with it, an interrupt leaves
// Status alone, and Status and Mask gate nothing.
// Clause: intx-level
TEST_F(DeviceIntxTest, MsixHasNoLevel) {
  class Msix : public InterruptSink {
   public:
    InterruptResult Deliver(Vector) noexcept override {
      ++delivered;
      return InterruptResult::kDelivered;
    }
    int delivered = 0;
  } msix;
  const auto device = *Device::Create({.dialect = kRevision0,
                                       .interrupts = InterruptMode::kMsix,
                                       .vectors = 1,
                                       .id = 3},
                                      {.interrupts = &msix, .level = &line_});
  device->OnPeerInterrupt(0);
  device->Write(kMaskOffset, 4, 0xffffffff);
  device->OnPeerInterrupt(0);
  EXPECT_EQ(msix.delivered, 2);
  EXPECT_EQ(device->Read(kStatusOffset, 4), 0u);
  device->Write(kStatusOffset, 4, 1);
  EXPECT_FALSE(device->interrupt_level());
  EXPECT_EQ(line_.applied, 0);
}

}  // namespace
}  // namespace ivshmem
