// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/msix.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

// The BAR: layout, and who may access what. Delivery is msix_delivery_test's.
namespace ivshmem::pci {
namespace {

constexpr uint64_t kOnes = std::numeric_limits<uint64_t>::max();

// PCI Local Bus 3.0, 6.8.2: "a table entry has 16 bytes, the PBA a bit for each
// vector in quadwords; both are aligned to 8 bytes at least and do not
// overlap". The offsets are QEMU's.
// Clause: msix-capability
TEST(MsixLayoutTest, FitsQemus) {
  struct Case {
    int vectors;
    uint32_t pba_offset;
    uint32_t bar_size;
  };
  for (const Case& c : std::vector<Case>{{1, 0x800, 0x1000},
                                         {128, 0x800, 0x1000},
                                         {129, 0x810, 0x1000},
                                         {254, 0xfe0, 0x1000},
                                         {255, 0xff0, 0x2000},
                                         {300, 0x12c0, 0x2000},
                                         {2048, 0x8000, 0x10000}}) {
    const MsixLayout layout = MsixLayout::For(c.vectors);
    EXPECT_EQ(layout.pba_offset, c.pba_offset) << c.vectors;
    EXPECT_EQ(layout.bar_size, c.bar_size) << c.vectors;
  }
}

TEST(MsixLayoutTest, HoldsForEveryNumberOfVectors) {
  for (int vectors = 1; vectors <= 2048; ++vectors) {
    const MsixLayout layout = MsixLayout::For(vectors);
    EXPECT_EQ(layout.pba_offset % 8, 0u);
    EXPECT_GE(layout.pba_offset, static_cast<uint32_t>(vectors) * 16);
    EXPECT_GE(layout.bar_size, layout.pba_offset + (vectors + 63) / 64 * 8);
    EXPECT_EQ(layout.bar_size & (layout.bar_size - 1), 0u);
  }
}

constexpr int kVectors = 70;  // More than a quadword of the PBA.
constexpr uint64_t kTableEnd = kVectors * 16;
constexpr uint64_t kPba = 0x800;
constexpr uint64_t kPbaEnd = kPba + 16;
constexpr uint64_t kBarEnd = 0x1000;

class MsixBarTest : public ::testing::Test {
 protected:
  // Makes `vector` pending.
  void Keep(int vector) {
    msix_.SetGates({.enabled = true, .bus_master = true});
    ASSERT_EQ(msix_.Deliver(vector), Msix::Outcome::kPending);
  }

  std::vector<uint8_t> Contents() {
    std::vector<uint8_t> contents;
    for (uint64_t offset = 0; offset < kBarEnd; offset += 8) {
      std::array<uint8_t, 8> bytes;
      msix_.Read(offset, absl::MakeSpan(bytes));
      contents.insert(contents.end(), bytes.begin(), bytes.end());
    }
    return contents;
  }

  RecordingMsiSink sink_;
  Msix msix_{kVectors, &sink_, nullptr};
};

// "After reset the vector control's mask bit is 1"; the rest is zero here.
// Clause: msix-table
TEST_F(MsixBarTest, EntriesStartMasked) {
  for (uint64_t entry = 0; entry < kTableEnd; entry += 16) {
    EXPECT_EQ(Read<uint64_t>(msix_, entry), 0u);
    EXPECT_EQ(Read<uint32_t>(msix_, entry + 8), 0u);
    EXPECT_EQ(Read<uint32_t>(msix_, entry + 12), 1u);
  }
}

// "Software accesses the table with aligned dwords or quadwords."
// Clause: msix-table
TEST_F(MsixBarTest, DwordsOfAnEntry) {
  const uint64_t entry = 16 * 69;
  Write<uint32_t>(msix_, entry + 0, 0xfee00000);
  Write<uint32_t>(msix_, entry + 4, 0x1);
  Write<uint32_t>(msix_, entry + 8, 0x4141);
  Write<uint32_t>(msix_, entry + 12, 0);
  EXPECT_EQ(Read<uint32_t>(msix_, entry + 0), 0xfee00000u);
  EXPECT_EQ(Read<uint32_t>(msix_, entry + 4), 1u);
  EXPECT_EQ(Read<uint32_t>(msix_, entry + 8), 0x4141u);
  EXPECT_EQ(Read<uint32_t>(msix_, entry + 12), 0u);
  EXPECT_EQ(Read<uint64_t>(msix_, entry), 0x1fee00000u);
  EXPECT_EQ(Read<uint64_t>(msix_, entry + 8), 0x4141u);
}

// Clause: msix-table
TEST_F(MsixBarTest, QuadwordsOfAnEntry) {
  Write<uint64_t>(msix_, 16, 0x1122334455667788);
  Write<uint64_t>(msix_, 24, 0x100004041);
  EXPECT_EQ(Read<uint32_t>(msix_, 16), 0x55667788u);
  EXPECT_EQ(Read<uint32_t>(msix_, 20), 0x11223344u);
  EXPECT_EQ(Read<uint32_t>(msix_, 24), 0x4041u);
  EXPECT_EQ(Read<uint32_t>(msix_, 28), 1u);
  EXPECT_EQ(Read<uint64_t>(msix_, 24), 0x100004041u);
}

// Reserved bits (31:1 of the vector control, 1:0 of the address) keep what is
// written, as QEMU's do.
TEST_F(MsixBarTest, ReservedBitsAreStored) {
  Write<uint32_t>(msix_, 0, 0xfee00003);
  Write<uint32_t>(msix_, 12, 0xfffffffe);
  EXPECT_EQ(Read<uint32_t>(msix_, 0), 0xfee00003u);
  EXPECT_EQ(Read<uint32_t>(msix_, 12), 0xfffffffeu);
}

// Every offset of the BAR and around its end with every size: what is not an
// aligned dword or quadword of the table changes nothing at all.
TEST_F(MsixBarTest, OtherWritesChangeNothing) {
  Keep(3);
  Keep(69);
  const std::vector<uint8_t> before = Contents();
  const std::vector<uint8_t> ones(17, 0xff);
  for (uint64_t offset = 0; offset < kBarEnd + 16; ++offset) {
    for (size_t size = 0; size <= ones.size(); ++size) {
      const bool defined = (size == 4 || size == 8) && offset % size == 0;
      if (defined && offset < kTableEnd) continue;
      msix_.Write(offset, absl::MakeConstSpan(ones).first(size));
    }
  }
  for (uint64_t back = 0; back < 16; ++back) {
    msix_.Write(kOnes - back, absl::MakeConstSpan(ones).first(4));
    msix_.Write(kOnes - back, absl::MakeConstSpan(ones).first(8));
  }
  EXPECT_EQ(Contents(), before);
}

// The same for reads: zeros inside the BAR, ones for what reaches outside.
TEST_F(MsixBarTest, OtherReadsGiveZerosOrOnes) {
  for (int vector = 0; vector < kVectors; ++vector) Keep(vector);
  for (uint64_t offset = 0; offset < kBarEnd + 16; ++offset) {
    for (size_t size = 0; size <= 17; ++size) {
      const bool defined = (size == 4 || size == 8) && offset % size == 0;
      const bool answers =
          offset < kTableEnd || (offset >= kPba && offset < kPbaEnd);
      if (defined && answers) continue;
      std::vector<uint8_t> bytes(size, 0xaa);
      msix_.Read(offset, absl::MakeSpan(bytes));
      const bool outside = offset + size > kBarEnd;
      ASSERT_EQ(bytes, std::vector<uint8_t>(size, outside ? 0xff : 0))
          << "offset " << offset << " size " << size;
    }
  }
  EXPECT_EQ(Read<uint32_t>(msix_, kOnes - 3), 0xffffffffu);
  EXPECT_EQ(Read<uint64_t>(msix_, kOnes - 7), kOnes);
}

// "Bit n of the PBA is the pending bit of vector n."
TEST_F(MsixBarTest, PbaHasABitForEachVector) {
  Keep(0);
  Keep(33);
  Keep(63);
  Keep(64);
  Keep(69);
  EXPECT_EQ(Read<uint64_t>(msix_, kPba), 0x8000000200000001u);
  EXPECT_EQ(Read<uint64_t>(msix_, kPba + 8), 0x21u);
  EXPECT_EQ(Read<uint32_t>(msix_, kPba), 1u);
  EXPECT_EQ(Read<uint32_t>(msix_, kPba + 4), 0x80000002u);
  EXPECT_EQ(Read<uint32_t>(msix_, kPba + 8), 0x21u);
  EXPECT_EQ(Read<uint32_t>(msix_, kPba + 12), 0u);
}

// "Software should never write the PBA": it has no effect.
// Clause: msix-pending-read-only, pending
// Differs: pba-write
TEST_F(MsixBarTest, PbaIsReadOnly) {
  Keep(5);
  Write<uint64_t>(msix_, kPba, 0);
  Write<uint32_t>(msix_, kPba, kOnes & 0xffffffff);
  EXPECT_EQ(Read<uint64_t>(msix_, kPba), 1u << 5);
}

// Bits beyond the last vector are reserved and read 0.
TEST_F(MsixBarTest, PbaEndsWithTheLastVector) {
  for (int vector = 0; vector < kVectors; ++vector) Keep(vector);
  EXPECT_EQ(Read<uint64_t>(msix_, kPba), kOnes);
  EXPECT_EQ(Read<uint64_t>(msix_, kPba + 8), 0x3fu);
}

TEST_F(MsixBarTest, ResetForgetsTableAndPba) {
  Keep(5);
  Write<uint64_t>(msix_, 0, 0xfee00000);
  Write<uint64_t>(msix_, 8, 0x41);
  msix_.Reset();
  EXPECT_EQ(Read<uint64_t>(msix_, kPba), 0u);
  EXPECT_EQ(Read<uint64_t>(msix_, 0), 0u);
  EXPECT_EQ(Read<uint64_t>(msix_, 8), uint64_t{1} << 32);
}

// The last entry of a table that pushed the PBA out of the way, and its bit.
// Differs: vectors-2048
TEST(MsixLargeTest, LastOf300And2048Vectors) {
  for (int vectors : {300, 2048}) {
    Msix msix(vectors, nullptr, nullptr);
    const uint64_t entry = (vectors - 1) * 16;
    const uint64_t pba = MsixLayout::For(vectors).pba_offset;
    Write<uint32_t>(msix, entry, 0x1234);
    EXPECT_EQ(Read<uint32_t>(msix, entry), 0x1234u);
    msix.SetGates({.enabled = true, .bus_master = true});
    EXPECT_EQ(msix.Deliver(vectors - 1), Msix::Outcome::kPending);
    EXPECT_EQ(Read<uint64_t>(msix, pba + (vectors - 1) / 64 * 8),
              uint64_t{1} << ((vectors - 1) % 64));
    EXPECT_EQ(msix.Deliver(vectors), Msix::Outcome::kNoSuchVector);
  }
}

}  // namespace
}  // namespace ivshmem::pci
