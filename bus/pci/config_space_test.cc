// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/config_space.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <tuple>
#include <vector>

#include "absl/types/span.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::pci {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes ReadBytes(const ConfigSpace& config, uint64_t offset, size_t size) {
  Bytes bytes(size, 0xaa);  // What a read must not leave behind.
  config.Read(offset, absl::MakeSpan(bytes));
  return bytes;
}

// A space whose byte i holds i ^ 0x5a, so that no two neighbours are alike.
uint8_t Pattern(uint64_t i) { return static_cast<uint8_t>(i ^ 0x5a); }

ConfigSpace Patterned() {
  ConfigSpace config;
  for (int i = 0; i < ConfigSpace::kSize; ++i) config.Set8(i, Pattern(i));
  return config;
}

// "Multi-byte fields are little endian."
TEST(ConfigSpaceTest, NumbersAreLittleEndian) {
  ConfigSpace config;
  config.Set32(0, 0x44332211);
  config.Set16(4, 0x6655);
  config.Set8(6, 0x77);
  EXPECT_EQ(ReadBytes(config, 0, 8),
            (Bytes{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0}));
  EXPECT_EQ(config.Get32(1), 0x55443322u);
  EXPECT_EQ(config.Get16(5), 0x7766u);
}

// The device's numbers are of as many bytes as they say, up to the last byte.
TEST(ConfigSpaceTest, NumbersEndWhereTheyEnd) {
  ConfigSpace config = Patterned();
  Bytes expected = ReadBytes(config, 0, ConfigSpace::kSize);
  config.Set32(8, 0);
  config.Set16(16, 0);
  config.Set8(24, 0);
  for (int i : {8, 9, 10, 11, 16, 17, 24}) expected[i] = 0;
  EXPECT_EQ(ReadBytes(config, 0, ConfigSpace::kSize), expected);

  config.Set32(252, 0x44332211);
  EXPECT_EQ(config.Get32(252), 0x44332211u);
  EXPECT_EQ(config.Get16(254), 0x4433u);
  EXPECT_EQ(config.Get8(255), 0x44u);
}

// "A register that nobody implements reads 0 and cannot be written."
TEST(ConfigSpaceTest, IsZeroAndReadOnlyAtFirst) {
  ConfigSpace config;
  config.Write(0, Bytes(ConfigSpace::kSize, 0xff));
  EXPECT_EQ(ReadBytes(config, 0, ConfigSpace::kSize),
            Bytes(ConfigSpace::kSize, 0));
}

// "A write changes the bits that are writable and no other, in each byte by
// itself."
TEST(ConfigSpaceTest, WriteMaskHoldsForEachBit) {
  ConfigSpace config;
  config.Set32(8, 0xf0f0f0f0);
  config.AllowWrite(8, 0x00ff0ff0);
  config.Write(8, Bytes{0x05, 0x05, 0x05, 0x05});
  EXPECT_EQ(config.Get32(8), 0xf005f500u);
}

TEST(ConfigSpaceTest, AllowedBitsAddUp) {
  ConfigSpace config;
  config.AllowWrite(0, 0x01);
  config.AllowWrite(0, 0x80);
  config.Write(0, Bytes{0xff, 0xff});
  EXPECT_EQ(config.Get16(0), 0x81u);
}

TEST(ConfigSpaceTest, TheDeviceWritesReadOnlyBits) {
  ConfigSpace config;
  config.Set16(0, 0x1af4);
  config.Set16(0, 0x8086);
  EXPECT_EQ(config.Get16(0), 0x8086u);
}

// Offsets from the start, around the end and around 2^64, for the tables below.
std::vector<uint64_t> InterestingOffsets() {
  std::vector<uint64_t> offsets;
  for (uint64_t i = 0; i < ConfigSpace::kSize + 32; ++i) offsets.push_back(i);
  for (uint64_t i = 0; i < 32; ++i) {
    offsets.push_back(uint64_t{1} << 32 | i);
    offsets.push_back(std::numeric_limits<uint64_t>::max() - i);
  }
  return offsets;
}

// The byte that byte `i` of an access at `offset` means, or -1.
int ByteAt(uint64_t offset, size_t i) {
  if (offset >= ConfigSpace::kSize) return -1;
  const size_t byte = offset + i;
  return byte < ConfigSpace::kSize ? static_cast<int>(byte) : -1;
}

// Every offset with every size: the bytes inside count, those beyond the end
// are ones.
TEST(ConfigSpaceTest, ReadsOfEveryOffsetAndSize) {
  const ConfigSpace config = Patterned();
  for (uint64_t offset : InterestingOffsets()) {
    for (size_t size = 0; size <= 17; ++size) {
      Bytes expected(size);
      for (size_t i = 0; i < size; ++i) {
        const int byte = ByteAt(offset, i);
        expected[i] = byte < 0 ? 0xff : Pattern(byte);
      }
      ASSERT_EQ(ReadBytes(config, offset, size), expected)
          << "offset " << offset << " size " << size;
    }
  }
}

// The same for writes: the bytes inside change, and nothing else does.
TEST(ConfigSpaceTest, WritesOfEveryOffsetAndSize) {
  for (uint64_t offset : InterestingOffsets()) {
    for (size_t size = 0; size <= 17; ++size) {
      ConfigSpace config = Patterned();
      for (int i = 0; i < ConfigSpace::kSize; ++i) config.AllowWrite(i, 0xff);
      Bytes expected = ReadBytes(config, 0, ConfigSpace::kSize);
      Bytes written(size);
      for (size_t i = 0; i < size; ++i) {
        written[i] = static_cast<uint8_t>(0xc0 + i);
        const int byte = ByteAt(offset, i);
        if (byte >= 0) expected[byte] = written[i];
      }
      config.Write(offset, written);
      ASSERT_EQ(ReadBytes(config, 0, ConfigSpace::kSize), expected)
          << "offset " << offset << " size " << size;
    }
  }
}

// No sequence of writes of whatever width changes a read-only bit, and the last
// write of a writable bit is what it holds.
RC_GTEST_PROP(ConfigSpaceProperty, ReadOnlyBitsNeverChange, ()) {
  const auto initial = *rc::gen::container<Bytes>(
      ConfigSpace::kSize, rc::gen::arbitrary<uint8_t>());
  const auto mask = *rc::gen::container<Bytes>(ConfigSpace::kSize,
                                               rc::gen::arbitrary<uint8_t>());
  const auto writes =
      *rc::gen::container<std::vector<std::tuple<uint64_t, Bytes>>>(
          rc::gen::tuple(rc::gen::inRange<uint64_t>(0, ConfigSpace::kSize + 8),
                         rc::gen::resize(9, rc::gen::arbitrary<Bytes>())));
  ConfigSpace config;
  for (int i = 0; i < ConfigSpace::kSize; ++i) {
    config.Set8(i, initial[i]);
    config.AllowWrite(i, mask[i]);
  }
  Bytes expected = initial;
  for (const auto& [offset, bytes] : writes) {
    config.Write(offset, bytes);
    for (size_t i = 0; i < bytes.size(); ++i) {
      const int byte = ByteAt(offset, i);
      if (byte < 0) continue;
      expected[byte] = static_cast<uint8_t>((expected[byte] & ~mask[byte]) |
                                            (bytes[i] & mask[byte]));
    }
  }
  const Bytes actual = ReadBytes(config, 0, ConfigSpace::kSize);
  RC_ASSERT(actual == expected);
  for (int i = 0; i < ConfigSpace::kSize; ++i) {
    RC_ASSERT(((actual[i] ^ initial[i]) & ~mask[i]) == 0);
  }
}

}  // namespace
}  // namespace ivshmem::pci
