// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/kvm/kvm_guest.h"

#include <algorithm>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "backends/kvm/msi_signal.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

// Reads count up; writes are noted with their size.
class Notes : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(++offset);
  }
  void Write(uint64_t, absl::Span<const uint8_t> bytes) noexcept override {
    writes.emplace_back(bytes.size(), LoadLittleEndian(bytes));
  }
  std::vector<std::pair<size_t, uint64_t>> writes;
};

class KvmGuestTest : public testing::Test {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    guest_ = KvmGuest::Start();
  }

  std::unique_ptr<KvmGuest> guest_;
};

// The guest's RAM is there.
TEST_F(KvmGuestTest, ReadsAndWritesRam) {
  guest_->Write(0x20000, 0x12345678);
  EXPECT_EQ(guest_->Read(0x20000), 0x12345678u);
  EXPECT_EQ(guest_->Read(0x20001, 2), 0x3456u);
  EXPECT_EQ(guest_->exits(), 0u);
}

// Accesses of 1, 2 and 4 bytes come out as they are.
TEST_F(KvmGuestTest, TrappedAccessesOfAllSizes) {
  Notes notes;
  const auto claim = *guest_->memory().Claim(0xe0000000, 0x100, notes);
  EXPECT_EQ(guest_->Read(0xe0000010, 1), 0x11u);
  EXPECT_EQ(guest_->Read(0xe0000010, 2), 0x1211u);
  EXPECT_EQ(guest_->Read(0xe0000010, 4), 0x14131211u);
  guest_->Write(0xe0000000, 0x11, 1);
  guest_->Write(0xe0000000, 0x2222, 2);
  guest_->Write(0xe0000000, 0x33333333, 4);
  EXPECT_THAT(notes.writes,
              ElementsAre(Pair(1, 0x11), Pair(2, 0x2222), Pair(4, 0x33333333)));
  EXPECT_EQ(guest_->exits(), 6u);
}

TEST_F(KvmGuestTest, PortsOfAllSizes) {
  Notes notes;
  const auto claim = *guest_->ports().Claim(0x600, 0x10, notes);
  EXPECT_EQ(guest_->In(0x604, 1), 0x05u);
  EXPECT_EQ(guest_->In(0x604, 2), 0x0605u);
  EXPECT_EQ(guest_->In(0x604, 4), 0x08070605u);
  guest_->Out(0x600, 0x11, 1);
  guest_->Out(0x600, 0x2222, 2);
  guest_->Out(0x600, 0x33333333, 4);
  EXPECT_THAT(notes.writes,
              ElementsAre(Pair(1, 0x11), Pair(2, 0x2222), Pair(4, 0x33333333)));
}

// What nobody claims reads ones.
TEST_F(KvmGuestTest, UnclaimedAddressesAndPortsReadOnes) {
  EXPECT_EQ(guest_->Read(0xe0000000), 0xffffffffu);
  EXPECT_EQ(guest_->In(0x600), 0xffffffffu);
}

// Interrupts are counted by their CPU vector.
TEST_F(KvmGuestTest, CountsInterrupts) {
  kvm::MsiSignal msi(guest_->vm());
  guest_->CountAt(0x20000);
  for (uint32_t i = 1; i <= 100; ++i) {
    msi.Send({.address = 0xfee00000, .data = kFirstInterrupt + 7});
    ASSERT_TRUE(guest_->InterruptsBecome(7, i));
  }
  EXPECT_EQ(guest_->interrupts(6), 0u);
  EXPECT_EQ(guest_->Read(0x20000), 100u);
}

}  // namespace
}  // namespace ivshmem
