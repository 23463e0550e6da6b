// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/bars.h"

#include <array>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "bus/access.h"
#include "bus/pci/config_space.h"
#include "bus/pci/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::pci {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMax64 = std::numeric_limits<uint64_t>::max();

BarSpecs One(int bar, const BarSpec& spec) {
  BarSpecs specs;
  specs[bar] = spec;
  return specs;
}

// Registers with decode on.
ConfigSpace Decoding(const BarSpecs& specs) {
  ConfigSpace config;
  config.Set16(kCommand, kCommandMemorySpace);
  InitBars(specs, config);
  return config;
}

// A guest's dword write.
void WriteBar(ConfigSpace& config, int bar, uint32_t value) {
  std::array<uint8_t, 4> bytes;
  StoreLittleEndian(value, absl::MakeSpan(bytes));
  config.Write(kBar0 + bar * 4, bytes);
}

uint32_t ReadBar(const ConfigSpace& config, int bar) {
  return config.Get32(kBar0 + bar * 4);
}

// PCI Local Bus 3.0, 6.2.5.1: "Bits 2:1 of a memory BAR give its type: 00 32
// bits, 10 64 bits; bit 3 says prefetchable; bit 0 is 0."
TEST(BarsTest, LowBitsSayTheType) {
  const auto low_bits = [](bool is_64bit, bool prefetchable) {
    return ReadBar(Decoding(One(0, {.size = 0x1000,
                                    .is_64bit = is_64bit,
                                    .prefetchable = prefetchable})),
                   0);
  };
  EXPECT_EQ(low_bits(false, false), 0u);
  EXPECT_EQ(low_bits(false, true), 8u);
  EXPECT_EQ(low_bits(true, false), 4u);
  EXPECT_EQ(low_bits(true, true), 0xcu);
}

// "Software writes all ones and reads back: the bits that stay 0 give the
// size."
// Clause: pci-sizing
TEST(BarsTest, WriteOfOnesShowsA32BitBarsSize) {
  ConfigSpace config = Decoding(One(0, {.size = 0x100}));
  WriteBar(config, 0, 0xffffffff);
  EXPECT_EQ(ReadBar(config, 0), 0xffffff00u);
}

TEST(BarsTest, SmallestAndLargest32BitSize) {
  ConfigSpace small = Decoding(One(0, {.size = 16}));
  WriteBar(small, 0, 0xffffffff);
  EXPECT_EQ(ReadBar(small, 0), 0xfffffff0u);
  ConfigSpace large = Decoding(One(0, {.size = 0x80000000}));
  WriteBar(large, 0, 0xffffffff);
  EXPECT_EQ(ReadBar(large, 0), 0x80000000u);
}

// "64-bit: the same over both registers, each written by itself."
// Clause: pci-sizing
TEST(BarsTest, WriteOfOnesShowsA64BitBarsSize) {
  ConfigSpace config = Decoding(
      One(2, {.size = 0x100000, .is_64bit = true, .prefetchable = true}));
  WriteBar(config, 2, 0xffffffff);
  WriteBar(config, 3, 0xffffffff);
  EXPECT_EQ(ReadBar(config, 2), 0xfff0000cu);
  EXPECT_EQ(ReadBar(config, 3), 0xffffffffu);
}

TEST(BarsTest, SizesOf4GiBAndAboveShowInTheUpperHalf) {
  ConfigSpace config =
      Decoding(One(2, {.size = uint64_t{1} << 33, .is_64bit = true}));
  WriteBar(config, 2, 0xffffffff);
  WriteBar(config, 3, 0xffffffff);
  EXPECT_EQ(ReadBar(config, 2), 4u);
  EXPECT_EQ(ReadBar(config, 3), 0xfffffffeu);
}

// "Unimplemented BARs are hardwired to zero." So is the Expansion ROM's.
TEST(BarsTest, MissingBarsReadZero) {
  ConfigSpace config = Decoding(One(2, {.size = 0x1000, .is_64bit = true}));
  for (int bar : {0, 1, 4, 5}) {
    WriteBar(config, bar, 0xffffffff);
    EXPECT_EQ(ReadBar(config, bar), 0u) << "BAR " << bar;
  }
  config.Write(0x30, std::array<uint8_t, 4>{0xff, 0xff, 0xff, 0xff});
  EXPECT_EQ(config.Get32(0x30), 0u);
}

TEST(BarsTest, TypeBitsAreReadOnly) {
  ConfigSpace config = Decoding(One(0, {.size = 0x1000, .is_64bit = true}));
  WriteBar(config, 0, 0xc000000b);
  EXPECT_EQ(ReadBar(config, 0), 0xc0000004u);
}

TEST(BarsTest, DecodesWhereTheRegisterSays) {
  const BarSpecs specs = One(0, {.size = 0x1000});
  ConfigSpace config = Decoding(specs);
  WriteBar(config, 0, 0xfebf1000);
  EXPECT_EQ(DecodeBars(specs, config)[0], 0xfebf1000u);
  WriteBar(config, 0, 0xe0000fff);  // The bits below the size do not exist.
  EXPECT_EQ(DecodeBars(specs, config)[0], 0xe0000000u);
}

TEST(BarsTest, Decodes64BitAddresses) {
  const BarSpecs specs = One(2, {.size = 0x100000, .is_64bit = true});
  ConfigSpace config = Decoding(specs);
  WriteBar(config, 2, 0x12300000);
  WriteBar(config, 3, 0x40);
  EXPECT_EQ(DecodeBars(specs, config)[2], 0x4012300000u);
  EXPECT_EQ(DecodeBars(specs, config)[3], std::nullopt);
}

// The register is in bytes, whatever the width of the access.
// Fault: acrn-config-writable
TEST(BarsTest, BytesAndWordsMoveABar) {
  const BarSpecs specs = One(0, {.size = 0x1000});
  ConfigSpace config = Decoding(specs);
  config.Write(kBar0 + 3, std::array<uint8_t, 1>{0xfe});
  EXPECT_EQ(DecodeBars(specs, config)[0], 0xfe000000u);
  config.Write(kBar0 + 1, std::array<uint8_t, 2>{0xff, 0x12});
  EXPECT_EQ(DecodeBars(specs, config)[0], 0xfe12f000u);
}

// One store of 8 bytes places a 64-bit BAR.
TEST(BarsTest, AQuadwordMovesA64BitBar) {
  const BarSpecs specs = One(2, {.size = 0x1000, .is_64bit = true});
  ConfigSpace config = Decoding(specs);
  config.Write(kBar0 + 8, std::array<uint8_t, 8>{0, 0, 0, 0xc0, 1, 0, 0, 0});
  EXPECT_EQ(DecodeBars(specs, config)[2], 0x1c0000000u);
}

// 6.2.2: "Memory Space 0 disables the response to memory accesses."
TEST(BarsTest, NothingIsDecodedWithoutMemorySpace) {
  const BarSpecs specs = One(0, {.size = 0x1000});
  ConfigSpace config = Decoding(specs);
  WriteBar(config, 0, 0xfebf1000);
  config.Set16(kCommand, 0xffff & ~kCommandMemorySpace);
  EXPECT_EQ(DecodeBars(specs, config), BarAddresses());
}

TEST(BarsTest, AddressZeroIsNotPlaced) {
  const BarSpecs specs = One(0, {.size = 0x1000});
  EXPECT_EQ(DecodeBars(specs, Decoding(specs))[0], std::nullopt);
}

TEST(BarsTest, ABarBeingSizedIsNotDecoded) {
  const BarSpecs specs32 = One(0, {.size = 0x1000});
  ConfigSpace config32 = Decoding(specs32);
  WriteBar(config32, 0, 0xffffffff);
  EXPECT_EQ(DecodeBars(specs32, config32)[0], std::nullopt);
  WriteBar(config32, 0, 0xffffe000);  // The last place below.
  EXPECT_EQ(DecodeBars(specs32, config32)[0], 0xffffe000u);

  const BarSpecs specs64 = One(0, {.size = 0x1000, .is_64bit = true});
  ConfigSpace config64 = Decoding(specs64);
  WriteBar(config64, 0, 0xffffffff);
  WriteBar(config64, 1, 0xffffffff);
  EXPECT_EQ(DecodeBars(specs64, config64)[0], std::nullopt);
  WriteBar(config64, 0, 0xffffe000);
  EXPECT_EQ(DecodeBars(specs64, config64)[0], 0xffffffffffffe000u);
}

// What the guest is shown is the size, wherever the BAR lies, and afterwards
// the BAR is where it was: the sizing protocol changes nothing for good.
RC_GTEST_PROP(BarsProperty, SizingRoundTrips, ()) {
  const bool is_64bit = *rc::gen::arbitrary<bool>();
  const int shift = *rc::gen::inRange(4, is_64bit ? 63 : 32);
  const int bar = *rc::gen::inRange(0, is_64bit ? kBars - 1 : kBars);
  const BarSpec spec = {.size = uint64_t{1} << shift,
                        .is_64bit = is_64bit,
                        .prefetchable = *rc::gen::arbitrary<bool>()};
  const uint64_t limit = is_64bit ? kMax64 : 0xffffffff;
  const uint64_t address =
      *rc::gen::arbitrary<uint64_t>() & limit & ~(spec.size - 1);
  const BarSpecs specs = One(bar, spec);
  ConfigSpace config = Decoding(specs);
  const auto write = [&](uint64_t value) {
    WriteBar(config, bar, static_cast<uint32_t>(value));
    if (is_64bit) WriteBar(config, bar + 1, static_cast<uint32_t>(value >> 32));
  };
  const auto read = [&] {
    uint64_t value = ReadBar(config, bar) & ~0xfu;
    if (is_64bit) value |= uint64_t{ReadBar(config, bar + 1)} << 32;
    return value;
  };
  write(address);
  const uint64_t before = read();
  write(kMax64);
  RC_ASSERT((~read() & limit) + 1 == spec.size);
  write(before);
  RC_ASSERT(read() == address);
  const bool placed = address != 0 && limit - address > spec.size - 1;
  RC_ASSERT(DecodeBars(specs, config)[bar] ==
            (placed ? std::optional<uint64_t>(address) : std::nullopt));
  // PlaceBar() takes exactly the addresses that are decoded then.
  ConfigSpace by_firmware = Decoding(specs);
  RC_ASSERT(PlaceBar(specs, bar, address, by_firmware).ok() == placed);
  if (placed) RC_ASSERT(DecodeBars(specs, by_firmware)[bar] == address);
}

TEST(PlaceBarTest, KeepsTheTypeBits) {
  const BarSpecs specs =
      One(2, {.size = 0x1000, .is_64bit = true, .prefetchable = true});
  ConfigSpace config = Decoding(specs);
  ASSERT_TRUE(PlaceBar(specs, 2, 0x123456789000, config).ok());
  EXPECT_EQ(ReadBar(config, 2), 0x5678900cu);
  EXPECT_EQ(ReadBar(config, 3), 0x1234u);
}

// Firmware may place a BAR again; nothing of the old place is left.
TEST(PlaceBarTest, PlacesAgain) {
  const BarSpecs specs = One(0, {.size = 0x1000, .is_64bit = true});
  ConfigSpace config = Decoding(specs);
  ASSERT_TRUE(PlaceBar(specs, 0, 0xffffeeee0000, config).ok());
  ASSERT_TRUE(PlaceBar(specs, 0, 0x111111111000, config).ok());
  EXPECT_EQ(DecodeBars(specs, config)[0], 0x111111111000u);
}

// The last of a function's BARs ends them, whatever lies behind in memory.
TEST(PlaceBarTest, ThereIsNoSeventhBar) {
  const std::array<BarSpecs, 2> specs = {BarSpecs(), One(0, {.size = 0x1000})};
  ConfigSpace config = Decoding(specs[0]);
  EXPECT_EQ(PlaceBar(specs[0], kBars, 0x1000, config).message(),
            "BAR 6: no such BAR");
}

std::string PlaceError(const BarSpecs& specs, int bar, uint64_t address) {
  ConfigSpace config = Decoding(specs);
  return std::string(PlaceBar(specs, bar, address, config).message());
}

TEST(PlaceBarTest, ErrorsNameTheBar) {
  const BarSpecs specs = One(2, {.size = 0x1000, .is_64bit = true});
  for (int missing : {-1, 0, 3, kBars}) {
    EXPECT_THAT(PlaceError(specs, missing, 0x1000), HasSubstr("no such BAR"));
  }
  const std::string misaligned = PlaceError(specs, 2, 0x1800);
  EXPECT_THAT(misaligned, HasSubstr("BAR 2"));
  EXPECT_THAT(misaligned, HasSubstr("multiple of 4096"));
  EXPECT_THAT(misaligned, HasSubstr("0x1800"));
  EXPECT_THAT(PlaceError(specs, 2, 0), HasSubstr("above 0"));
  EXPECT_THAT(PlaceError(specs, 2, 0xfffffffffffff000), HasSubstr("64 bits"));
  EXPECT_THAT(PlaceError(One(0, {.size = 0x1000}), 0, 0x100000000),
              HasSubstr("32 bits"));
}

std::string ValidationError(const BarSpecs& specs) {
  return std::string(ValidateBars(specs).message());
}

TEST(ValidateBarsTest, TakesWhatARegisterCanHold) {
  BarSpecs specs;
  EXPECT_TRUE(ValidateBars(specs).ok());
  specs[0] = {.size = 16};
  specs[1] = {.size = 0x80000000};
  specs[2] = {.size = uint64_t{1} << 62, .is_64bit = true};
  specs[4] = {.size = 0x1000, .is_64bit = true};
  EXPECT_TRUE(ValidateBars(specs).ok());
}

TEST(ValidateBarsTest, SizeIsAPowerOfTwo) {
  EXPECT_EQ(ValidationError(One(2, {.size = 1000})),
            "bars[2].size: expected a power of two of at least 16, got 1000");
  EXPECT_EQ(ValidationError(One(0, {.size = 0})),
            "bars[0].size: expected a power of two of at least 16, got 0");
  EXPECT_EQ(ValidationError(One(5, {.size = 8})),
            "bars[5].size: expected a power of two of at least 16, got 8");
}

TEST(ValidateBarsTest, A32BitBarHasAtMost2GiB) {
  EXPECT_EQ(ValidationError(One(1, {.size = uint64_t{1} << 32})),
            "bars[1].size: expected at most 2147483648 for a 32-bit BAR, got "
            "4294967296");
}

TEST(ValidateBarsTest, A64BitBarTakesTwoPlaces) {
  EXPECT_THAT(ValidationError(One(5, {.size = 16, .is_64bit = true})),
              HasSubstr("bars[5].is_64bit: expected false"));
  BarSpecs specs = One(2, {.size = 16, .is_64bit = true});
  specs[3] = {.size = 32};
  EXPECT_EQ(ValidationError(specs),
            "bars[3]: expected none, because bars[2] is 64-bit and takes its "
            "place, got one of 32 bytes");
}

// A BAR of which nothing is said has no size, and is none.
TEST(BarsTest, ABarHasASize) {
  EXPECT_EQ(ValidateBars(One(0, {})).message(),
            "bars[0].size: expected a power of two of at least 16, got 0");
}

}  // namespace
}  // namespace ivshmem::pci
