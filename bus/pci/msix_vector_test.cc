// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/msix_vector.h"

#include <cstdint>

#include "bus/pci/msi.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

namespace ivshmem::pci {

namespace {

using Verdict = MsixVector::Verdict;

constexpr MsiMessage kMessage = {.address = 0xfee01000, .data = 0x4041};
constexpr uint64_t kControlMask = uint64_t{1} << 32;

class MsixVectorTest : public ::testing::Test {
 protected:
  void Unmask() { vector_.Store(MsixVector::kDataAndControl, kMessage.data); }

  void Mask() {
    vector_.Store(MsixVector::kDataAndControl, kControlMask | kMessage.data);
  }

  // Enabled, unmasked, with a message.
  void Open() {
    vector_.SetGates(0);
    vector_.Store(MsixVector::kAddress, kMessage.address);
    Unmask();
  }

  MsixVector vector_;
  MsiMessage message_;
};

TEST_F(MsixVectorTest, StartsDisabledAndMasked) {
  EXPECT_EQ(vector_.Post(message_), Verdict::kDisabled);
  vector_.SetGates(0);
  EXPECT_EQ(vector_.Post(message_), Verdict::kKept);
}

TEST_F(MsixVectorTest, PostGivesTheMessage) {
  Open();
  EXPECT_EQ(vector_.Post(message_), Verdict::kSend);
  EXPECT_EQ(message_, kMessage);
  EXPECT_FALSE(vector_.pending());
}

TEST_F(MsixVectorTest, OneClaimTakesWhatIsPending) {
  Open();
  Mask();
  EXPECT_EQ(vector_.Post(message_), Verdict::kKept);
  EXPECT_EQ(vector_.Claim(message_), Verdict::kKept);
  Unmask();
  EXPECT_EQ(vector_.Claim(message_), Verdict::kSend);
  EXPECT_EQ(message_, kMessage);
  EXPECT_EQ(vector_.Claim(message_), Verdict::kTaken);
}

TEST_F(MsixVectorTest, GatesAndEntryDoNotDisturbThePendingBit) {
  Open();
  Mask();
  EXPECT_EQ(vector_.Post(message_), Verdict::kKept);
  for (uint64_t gates :
       {MsixVector::kBlocked, MsixVector::kDisabled,
        MsixVector::kBlocked | MsixVector::kDisabled, uint64_t{0}}) {
    vector_.SetGates(gates);
    EXPECT_TRUE(vector_.pending());
    vector_.Store(MsixVector::kAddress, gates);
    EXPECT_TRUE(vector_.pending());
  }
}

TEST_F(MsixVectorTest, ResetKeepsTheGates) {
  Open();
  Mask();
  EXPECT_EQ(vector_.Post(message_), Verdict::kKept);
  vector_.Reset();
  EXPECT_FALSE(vector_.pending());
  EXPECT_EQ(vector_.Load(MsixVector::kAddress), 0u);
  EXPECT_EQ(vector_.Load(MsixVector::kDataAndControl), kControlMask);
  EXPECT_FALSE(vector_.MayFire(message_));
  vector_.Store(MsixVector::kDataAndControl, 0);
  EXPECT_EQ(vector_.Post(message_), Verdict::kSend);
  EXPECT_EQ(message_, MsiMessage());
}

}  // namespace
}  // namespace ivshmem::pci
