// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/registers.h"

#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr RegisterState kStored = {.mask = 0x11223344, .status = 0x55667788};
constexpr uint32_t kPosition = 0xa1b2c3d4;

// "IVPosition ... read-only", "Doorbell ... write-only", "Interrupt Mask,
// Interrupt Status: read/write", "Reading the register clears it": at compile
// time.
static_assert(ReadRegisters(kRevision1, kStored, 9, 0, 4).value == 0x11223344);
static_assert(ReadRegisters(kRevision1, kStored, 9, 4, 4).value == 0x55667788);
static_assert(ReadRegisters(kRevision1, kStored, 9, 4, 4).state.status == 0);
static_assert(ReadRegisters(kRevision1, kStored, 9, 8, 4).value == 9);
static_assert(ReadRegisters(kRevision1, kStored, 9, 12, 4).value == 0);
static_assert(WriteRegisters(kRevision1, {}, 0, 4, 5).state.mask == 5);
static_assert(WriteRegisters(kRevision1, {}, 4, 4, 5).state.status == 5);
static_assert(WriteRegisters(kRevision1, kStored, 8, 4, 5).state == kStored);
static_assert(WriteRegisters(kRevision1, {}, 12, 4, 0x20001).written[0] ==
              0x20001);

// ACRN: "plain read/write storage", a read of Status does not clear it.
static_assert(ReadRegisters(kAcrn, kStored, 9, 4, 4).state == kStored);
// QEMU's flat device: "Mask and Status read 0, writes ignored".
static_assert(ReadRegisters(kQemuFlat, kStored, 9, 0, 4).value == 0);
static_assert(WriteRegisters(kQemuFlat, {}, 0, 4, 5).state == RegisterState{});
static_assert(WriteRegisters(kQemuFlat, {}, 4, 4, 5).state == RegisterState{});

// QEMU's oddities, each as measured there.
static_assert(WriteRegisters(kQemu, {}, 3, 1, 0x88).state.mask == 0x88);
static_assert(WriteRegisters(kQemu, {}, 0xf, 1, 1).written[0] == 1);
static_assert(WriteRegisters(kQemu, {}, 8, 8, 0x30002ull << 32).written[0] ==
              0x30002);
static_assert(ReadRegisters(kQemu, kStored, 9, 0, 1).value == 0x44);
static_assert(ReadRegisters(kQemu, kStored, 9, 1, 1).value == 0);
static_assert(ReadRegisters(kQemu, kStored, 9, 0, 8).value ==
              0x5566778811223344);
static_assert(ReadRegisters(kQemu, kStored, 9, 0, 8).state.status == 0);

// "Interrupt Status Register bit 0 becomes 1 when an interrupt request from a
// peer is received."
static_assert(RaiseStatus({.mask = 0, .status = 4}).status == 5);
static_assert(RaiseStatus({.mask = 1, .status = 0}).level());
static_assert(!RaiseStatus({.mask = 2, .status = 0}).level());

// What one access should come to.
struct Expected {
  uint64_t value = 0;
  RegisterState state;
  std::vector<uint32_t> rings;
};

// The rules again, as prose has them and not as the code does it: an access is
// a list of hits, each of a register (by its offset) with a width in bytes and
// a place in the accessed bytes.
struct Hit {
  uint64_t offset;  // Of the register.
  bool at_start;    // Whether the hit begins at the register's first byte.
  int width;
  int place;
};

std::vector<Hit> Hits(const Dialect& dialect, uint64_t offset, int size) {
  const bool legal = size == 1 || size == 2 || size == 4 || size == 8;
  if (!legal || offset + size > dialect.block_size) return {};
  const std::string name(dialect.name);
  if (name != "qemu") {
    if (size == 4 && offset % 4 == 0) return {{offset, true, 4, 0}};
    const bool pairs = name == "rev1" || name == "rev0";
    if (pairs && size == 8 && offset % 8 == 0) {
      return {{offset, true, 4, 0}, {offset + 4, true, 4, 4}};
    }
    return {};
  }
  // The largest naturally aligned piece first, again and again.
  std::vector<Hit> hits;
  for (int place = 0; place < size;) {
    int width = 4;
    while ((offset + place) % width != 0 || place + width > size) width /= 2;
    const uint64_t at = offset + place;
    hits.push_back({at / 4 * 4, at % 4 == 0, width, place});
    place += width;
  }
  return hits;
}

uint64_t Mask(int width) {
  return width == 8 ? ~uint64_t{0} : (uint64_t{1} << 8 * width) - 1;
}

Expected ExpectedRead(const Dialect& dialect, uint64_t offset, int size) {
  Expected expected = {.value = 0, .state = kStored, .rings = {}};
  const bool flat = dialect.name == "qemu-flat";
  for (const Hit& hit : Hits(dialect, offset, size)) {
    if (!hit.at_start) continue;
    uint64_t full = 0;
    if (hit.offset == 0 && !flat) full = expected.state.mask;
    if (hit.offset == 4 && !flat) {
      full = expected.state.status;
      if (dialect.name != "acrn") expected.state.status = 0;
    }
    if (hit.offset == 8) full = kPosition;
    expected.value |= (full & Mask(hit.width)) << 8 * hit.place;
  }
  return expected;
}

Expected ExpectedWrite(const Dialect& dialect, uint64_t offset, int size,
                       uint64_t value) {
  Expected expected = {.value = 0, .state = kStored, .rings = {}};
  const bool flat = dialect.name == "qemu-flat";
  for (const Hit& hit : Hits(dialect, offset, size)) {
    const auto written =
        static_cast<uint32_t>((value >> 8 * hit.place) & Mask(hit.width));
    if (hit.offset == 0 && !flat) expected.state.mask = written;
    if (hit.offset == 4 && !flat) expected.state.status = written;
    if (hit.offset == 12) expected.rings.push_back(written);
  }
  return expected;
}

class EveryDialect : public ::testing::TestWithParam<const Dialect*> {
 protected:
  const Dialect& dialect_ = *GetParam();
};

// Every size, also illegal ones, at every offset, also past the end, has the
// stated result and touches nothing else.
TEST_P(EveryDialect, ReadsOfEverySizeAtEveryOffset) {
  for (const int size : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16}) {
    for (uint64_t offset = 0; offset <= dialect_.block_size + 16; ++offset) {
      const AccessResult result =
          ReadRegisters(dialect_, kStored, kPosition, offset, size);
      const Expected expected = ExpectedRead(dialect_, offset, size);
      ASSERT_EQ(result.value, expected.value) << size << "@" << offset;
      ASSERT_EQ(result.state, expected.state) << size << "@" << offset;
      ASSERT_EQ(result.rings, 0) << size << "@" << offset;
    }
  }
}

TEST_P(EveryDialect, WritesOfEverySizeAtEveryOffset) {
  for (const uint64_t value :
       {uint64_t{0x0123456789abcdef}, ~uint64_t{0}, uint64_t{0}}) {
    for (const int size : {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 16}) {
      for (uint64_t offset = 0; offset <= dialect_.block_size + 16; ++offset) {
        const AccessResult result =
            WriteRegisters(dialect_, kStored, offset, size, value);
        const Expected expected = ExpectedWrite(dialect_, offset, size, value);
        ASSERT_EQ(result.state, expected.state) << size << "@" << offset;
        ASSERT_EQ(result.rings, static_cast<int>(expected.rings.size()))
            << size << "@" << offset;
        ASSERT_LE(result.rings, AccessResult::kMaxRings);
        for (int i = 0; i < result.rings; ++i) {
          ASSERT_EQ(result.written[i], expected.rings[i]);
        }
      }
    }
  }
}

// Offsets near 2^64 are outside like all others.
TEST_P(EveryDialect, OffsetsDoNotWrapAround) {
  for (const int size : {1, 2, 4, 8}) {
    for (uint64_t back = 1; back <= 16; ++back) {
      const AccessResult result =
          WriteRegisters(dialect_, kStored, uint64_t{0} - back, size, 7);
      EXPECT_EQ(result.state, kStored);
      EXPECT_EQ(result.rings, 0);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dialects, EveryDialect, ::testing::ValuesIn(kDialects),
                         [](const auto& info) {
                           std::string name(info.param->name);
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// The doorbell: "bit 0..15: vector, bit 16..31: peer ID", and back.
TEST(DoorbellTest, SixteenBitsOfEach) {
  EXPECT_EQ(Doorbell::Decode(0x00020001), (Doorbell{2, 1}));
  EXPECT_EQ(Doorbell::Decode(0xffffffff), (Doorbell{65535, 65535}));
  EXPECT_EQ(Doorbell::Decode(0x00000100), (Doorbell{0, 256}))
      << "QEMU's trapped path would ring vector 0";
  EXPECT_EQ((Doorbell{0x1234, 0x5678}).Encode(), 0x12345678u);
}

// The design's table of dialects, row by row.
TEST(DialectTest, Table) {
  EXPECT_EQ(kQemuFlat.block_size, 16u);
  for (const Dialect* dialect : {&kRevision1, &kRevision0, &kQemu, &kAcrn}) {
    EXPECT_EQ(dialect->block_size, 256u) << dialect->name;
    EXPECT_EQ(dialect->max_vectors, 2048) << dialect->name;
  }
  EXPECT_EQ(kQemuFlat.max_vectors, 64);
  EXPECT_EQ(kAcrn.default_vectors, 8);
  EXPECT_EQ(kRevision0.pci_revision, 0);
  EXPECT_EQ(kRevision0.position_before_setup, 0xffffffff);
  EXPECT_EQ(kRevision1.pci_revision, 1);
  EXPECT_EQ(kAcrn.pci_revision, 1);
}

TEST(DialectTest, AreFoundByName) {
  for (const Dialect* dialect : kDialects) {
    ASSERT_TRUE(FindDialect(dialect->name).has_value());
    EXPECT_EQ(FindDialect(dialect->name)->name, dialect->name);
  }
  EXPECT_FALSE(FindDialect("rev2").has_value());
}

}  // namespace
}  // namespace ivshmem
