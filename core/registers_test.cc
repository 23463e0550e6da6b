// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/registers.h"

#include <algorithm>
#include <array>
#include <climits>
#include <cstdint>
#include <string>
#include <vector>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

constexpr RegisterState kStored = {.mask = 0x11223344, .status = 0x55667788};

// The specification's table, at compile time. "Interrupt Mask: read/write",
// "Interrupt Status: read/write", "Reading the register clears it".
static_assert(ReadRegisters(kRevision1, kStored, 9, 0, 4).value == 0x11223344);
static_assert(ReadRegisters(kRevision1, kStored, 9, 0, 4).state == kStored);
static_assert(ReadRegisters(kRevision1, kStored, 9, 4, 4).value == 0x55667788);
static_assert(ReadRegisters(kRevision1, kStored, 9, 4, 4).state ==
              RegisterState{.mask = 0x11223344, .status = 0});
static_assert(WriteRegisters(kRevision1, kStored, 0, 4, 5).state ==
              RegisterState{.mask = 5, .status = 0x55667788});
static_assert(WriteRegisters(kRevision1, kStored, 4, 4, 5).state ==
              RegisterState{.mask = 0x11223344, .status = 5});
// "IVPosition: read-only."
static_assert(ReadRegisters(kRevision1, kStored, 9, 8, 4).value == 9);
static_assert(WriteRegisters(kRevision1, kStored, 8, 4, 5).state == kStored);
// "Doorbell: write-only."
static_assert(ReadRegisters(kRevision1, kStored, 9, 12, 4).value == 0);
static_assert(WriteRegisters(kRevision1, kStored, 12, 4, 0x20001).state ==
              kStored);
static_assert(WriteRegisters(kRevision1, {}, 12, 4, 0x20001).rings == 1);
static_assert(WriteRegisters(kRevision1, {}, 12, 4, 0x20001).written[0] ==
              0x20001);
// "16, 240 bytes: reserved."
static_assert(ReadRegisters(kRevision1, kStored, 9, 16, 4).value == 0);
static_assert(WriteRegisters(kRevision1, kStored, 16, 4, 5).rings == 0);

// ACRN: "plain read/write storage", a read of Status does not clear it.
static_assert(ReadRegisters(kAcrn, kStored, 9, 4, 4).value == 0x55667788);
static_assert(ReadRegisters(kAcrn, kStored, 9, 4, 4).state == kStored);
// QEMU's flat device: "Mask and Status read 0, writes ignored".
static_assert(ReadRegisters(kQemuFlat, kStored, 9, 0, 4).value == 0);
static_assert(ReadRegisters(kQemuFlat, kStored, 9, 4, 4).value == 0);
static_assert(WriteRegisters(kQemuFlat, {}, 0, 4, 5).state == RegisterState{});
static_assert(WriteRegisters(kQemuFlat, {}, 4, 4, 5).state == RegisterState{});

// What is treated as a ring and no more is a ring and no more, in every
// dialect.
constexpr bool RingsAndNoMore(const Dialect& dialect) {
  const AccessResult result =
      WriteRegisters(dialect, kStored, kDoorbellOffset, 4, 0x30002);
  return result.rings == 1 && result.written[0] == 0x30002 &&
         result.state == kStored;
}
static_assert(IsDoorbell(kDoorbellOffset, 4));
static_assert(RingsAndNoMore(kRevision1) && RingsAndNoMore(kRevision0) &&
              RingsAndNoMore(kQemu) && RingsAndNoMore(kQemuFlat) &&
              RingsAndNoMore(kAcrn));
static_assert(!IsDoorbell(kDoorbellOffset, 2) &&
              !IsDoorbell(kDoorbellOffset, 8) &&
              !IsDoorbell(kDoorbellOffset + 1, 4) &&
              !IsDoorbell(kPositionOffset, 4));

// What is treated as a read of the position and no more is that and no more.
constexpr bool GivesThePosition(const Dialect& dialect) {
  const AccessResult result =
      ReadRegisters(dialect, kStored, 9, kPositionOffset, 4);
  return result.value == 9 && result.state == kStored;
}
static_assert(IsPosition(kPositionOffset, 4));
static_assert(GivesThePosition(kRevision1) && GivesThePosition(kRevision0) &&
              GivesThePosition(kQemu) && GivesThePosition(kQemuFlat) &&
              GivesThePosition(kAcrn));
static_assert(!IsPosition(kPositionOffset, 2) &&
              !IsPosition(kPositionOffset, 8) &&
              !IsPosition(kPositionOffset + 1, 4) &&
              !IsPosition(kStatusOffset, 4));

// QEMU's oddities, each as measured there.
static_assert(ReadRegisters(kQemu, kStored, 9, 0, 1).value == 0x44);
static_assert(ReadRegisters(kQemu, kStored, 9, 1, 1).value == 0);
static_assert(ReadRegisters(kQemu, kStored, 9, 2, 2).value == 0);
static_assert(ReadRegisters(kQemu, kStored, 9, 4, 1).state.status == 0);
static_assert(ReadRegisters(kQemu, kStored, 9, 5, 1).state == kStored);
static_assert(ReadRegisters(kQemu, kStored, 9, 0, 8).value ==
              0x5566778811223344);
static_assert(ReadRegisters(kQemu, kStored, 9, 0, 8).state.status == 0);
static_assert(WriteRegisters(kQemu, {}, 3, 1, 0x88).state.mask == 0x88);
static_assert(WriteRegisters(kQemu, {}, 0xf, 1, 1).written[0] == 1);
static_assert(WriteRegisters(kQemu, {}, 8, 8, 0x30002ull << 32).written[0] ==
              0x30002);

// "Interrupt Status Register bit 0 becomes 1 when an interrupt request from a
// peer is received."; "INTx is asserted when the bit-wise AND of Status and
// Mask is non-zero".
static_assert(RaiseStatus({.mask = 0, .status = 4}).status == 5);
static_assert(RaiseStatus({.mask = 1, .status = 0}).level());
static_assert(!RaiseStatus({.mask = 2, .status = 0}).level());
static_assert(RegisterState{.mask = 1u << 31, .status = 1u << 31}.level());

// The rules once more, as prose has them and not as the code does it: an access
// is a list of hits, each of a register with a width in bytes and a place in
// the accessed bytes.
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
  // "Unaligned accesses are split": the largest naturally aligned piece first.
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

uint64_t LowBytes(uint64_t value, int width) {
  return width == 8 ? value : value & ((uint64_t{1} << 8 * width) - 1);
}

// What one access should come to.
struct Expected {
  uint64_t value = 0;
  RegisterState state;
  std::vector<uint32_t> rings;
};

Expected ExpectedRead(const Dialect& dialect, const RegisterState& state,
                      uint32_t position, uint64_t offset, int size) {
  Expected expected = {.value = 0, .state = state, .rings = {}};
  const bool flat = dialect.name == "qemu-flat";
  for (const Hit& hit : Hits(dialect, offset, size)) {
    if (!hit.at_start) continue;  // "Other sub-offsets return 0."
    uint64_t full = 0;
    if (hit.offset == 0 && !flat) full = expected.state.mask;
    if (hit.offset == 4 && !flat) {
      full = expected.state.status;
      if (dialect.name != "acrn") expected.state.status = 0;
    }
    if (hit.offset == 8) full = position;
    expected.value |= LowBytes(full, hit.width) << 8 * hit.place;
  }
  return expected;
}

Expected ExpectedWrite(const Dialect& dialect, const RegisterState& state,
                       uint64_t offset, int size, uint64_t value) {
  Expected expected = {.value = 0, .state = state, .rings = {}};
  const bool flat = dialect.name == "qemu-flat";
  for (const Hit& hit : Hits(dialect, offset, size)) {
    // "Overwrites the whole register, zero-extended and unshifted."
    const auto written =
        static_cast<uint32_t>(LowBytes(value >> 8 * hit.place, hit.width));
    if (hit.offset == 0 && !flat) expected.state.mask = written;
    if (hit.offset == 4 && !flat) expected.state.status = written;
    if (hit.offset == 12) expected.rings.push_back(written);
  }
  return expected;
}

constexpr std::array<int, 17> kSizes = {1, 2,  4,  8,  0,  3,  5,  6,      7,
                                        9, 12, 16, 32, 64, -1, -4, INT_MIN};
constexpr std::array<RegisterState, 3> kStates = {kStored, RegisterState{},
                                                  RegisterState{~0u, ~0u}};
constexpr std::array<uint32_t, 3> kPositions = {0xa1b2c3d4, 0, 0xffffffff};
constexpr std::array<uint64_t, 4> kValues = {0x0123456789abcdef, 0, ~0ull,
                                             0x8000000080000000};

class EveryDialect : public ::testing::TestWithParam<const Dialect*> {
 protected:
  // Calls `check` with every size, also illegal ones, at every offset, also
  // past the end of the block.
  template <typename Check>
  void ForEveryAccess(Check check) {
    for (const int size : kSizes) {
      for (uint64_t offset = 0; offset <= dialect_.block_size + 16; ++offset) {
        SCOPED_TRACE(testing::Message() << size << " bytes @" << offset);
        check(offset, size);
        if (HasFatalFailure()) return;
      }
    }
  }

  const Dialect& dialect_ = *GetParam();
};

// Clause: reserved, access
// Differs: qemu-narrow-access, access-acrn, flat-registers
TEST_P(EveryDialect, ReadsOfEverySizeAtEveryOffset) {
  ForEveryAccess([this](uint64_t offset, int size) {
    for (const RegisterState& state : kStates) {
      for (const uint32_t position : kPositions) {
        const AccessResult result =
            ReadRegisters(dialect_, state, position, offset, size);
        const Expected expected =
            ExpectedRead(dialect_, state, position, offset, size);
        ASSERT_EQ(result.value, expected.value);
        ASSERT_EQ(result.state, expected.state);
        ASSERT_EQ(result.rings, 0);
      }
    }
  });
}

// Clause: reserved, access
// Differs: qemu-narrow-access, access-acrn, qemu-vector-8-bits
TEST_P(EveryDialect, WritesOfEverySizeAtEveryOffset) {
  ForEveryAccess([this](uint64_t offset, int size) {
    for (const RegisterState& state : kStates) {
      for (const uint64_t value : kValues) {
        const AccessResult result =
            WriteRegisters(dialect_, state, offset, size, value);
        const Expected expected =
            ExpectedWrite(dialect_, state, offset, size, value);
        ASSERT_EQ(result.value, 0u);
        ASSERT_EQ(result.state, expected.state);
        ASSERT_EQ(result.rings, static_cast<int>(expected.rings.size()));
        for (int i = 0; i < result.rings; ++i) {
          ASSERT_EQ(result.written[i], expected.rings[i]);
        }
      }
    }
  });
}

// An access never touches a register of which it hits no byte. This holds
// whatever the dialect's rules are, so it is said without them.
// Clause: access
// Fault: acrn-8487
TEST_P(EveryDialect, TouchesNothingElse) {
  ForEveryAccess([this](uint64_t offset, int size) {
    const auto hits = [offset, size](uint64_t at) {
      return size > 0 && offset < at + 4 && at < offset + size;
    };
    const AccessResult read =
        ReadRegisters(dialect_, kStored, 0xa1b2c3d4, offset, size);
    const AccessResult write =
        WriteRegisters(dialect_, kStored, offset, size, ~0ull);
    ASSERT_EQ(read.state.mask, kStored.mask) << "a read has changed Mask";
    if (!hits(kMaskOffset)) {
      ASSERT_EQ(write.state.mask, kStored.mask);
    }
    if (!hits(kStatusOffset)) {
      ASSERT_EQ(read.state.status, kStored.status);
      ASSERT_EQ(write.state.status, kStored.status);
    }
    if (!hits(kDoorbellOffset)) {
      ASSERT_EQ(write.rings, 0);
    }
    if (offset >= kDoorbellOffset) {
      ASSERT_EQ(read.value, 0u);
    }
    if (size > 0 && size < 8) {
      ASSERT_EQ(read.value >> 8 * size, 0u);
    }
  });
}

// "Max two rings": only QEMU's pieces ring twice, and nothing rings more.
// Differs: qemu-narrow-access
TEST_P(EveryDialect, RingsAtMostTwice) {
  int most = 0;
  ForEveryAccess([this, &most](uint64_t offset, int size) {
    const AccessResult result =
        WriteRegisters(dialect_, kStored, offset, size, ~0ull);
    ASSERT_LE(result.rings, AccessResult::kMaxRings);
    most = std::max(most, result.rings);
  });
  EXPECT_EQ(most, dialect_.name == "qemu" ? 2 : 1);
}

// Offsets near 2^64 and 2^32 are outside like all others.
// Fault: acrn-8487
TEST_P(EveryDialect, OffsetsDoNotWrapAround) {
  for (const uint64_t end : {uint64_t{0}, uint64_t{1} << 32}) {
    for (int from_end = -16; from_end < 16; ++from_end) {
      if (end == 0 && from_end >= 0) continue;
      const uint64_t offset = end + from_end;
      for (const int size : kSizes) {
        const AccessResult write =
            WriteRegisters(dialect_, kStored, offset, size, 7);
        EXPECT_EQ(write.state, kStored);
        EXPECT_EQ(write.rings, 0);
        const AccessResult read =
            ReadRegisters(dialect_, kStored, 9, offset, size);
        EXPECT_EQ(read.state, kStored);
        EXPECT_EQ(read.value, 0u);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Dialects, EveryDialect, ::testing::ValuesIn(kDialects),
                         [](const auto& info) {
                           std::string name(info.param->name);
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// An embedder's own dialect: QEMU's pieces in a block that ends behind the
// doorbell. An access that is not in it as a whole does nothing.
constexpr Dialect kShortQemu = [] {
  Dialect dialect = kQemu;
  dialect.block_size = 16;
  return dialect;
}();

INSTANTIATE_TEST_SUITE_P(ShortBlock, EveryDialect,
                         ::testing::Values(&kShortQemu));

// Only the whole doorbell is treated as a ring and no more, only the whole
// position as a read of it: any other access has to go by the dialect's rules.
TEST(RegistersTest, WhatDriversDoAllDay) {
  for (const int size : kSizes) {
    for (uint64_t offset = 0; offset < 32; ++offset) {
      SCOPED_TRACE(testing::Message() << size << " bytes @" << offset);
      EXPECT_EQ(IsDoorbell(offset, size), offset == 12 && size == 4);
      EXPECT_EQ(IsPosition(offset, size), offset == 8 && size == 4);
    }
  }
}

// "The written value's high 16 bits are the ID of the peer to interrupt, and
// its low 16 bits select an interrupt vector", and back.
// Clause: doorbell-fields
// Differs: qemu-vector-8-bits
TEST(DoorbellTest, SixteenBitsOfEach) {
  EXPECT_EQ(Doorbell::Decode(0x00020001), (Doorbell{2, 1}));
  EXPECT_EQ(Doorbell::Decode(0xffffffff), (Doorbell{65535, 65535}));
  EXPECT_EQ(Doorbell::Decode(0x00000100), (Doorbell{0, 256}))
      << "QEMU's trapped path would ring vector 0";
  EXPECT_EQ((Doorbell{0x1234, 0x5678}).Encode(), 0x12345678u);
  for (int bit = 0; bit < 32; ++bit) {
    EXPECT_EQ(Doorbell::Decode(1u << bit).Encode(), 1u << bit);
  }
}

}  // namespace
}  // namespace ivshmem
