// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/address_space.h"

#include <array>
#include <limits>
#include <memory>
#include <utility>
#include <vector>

#include "backends/mock/recording_handler.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::mock {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Access = RecordingHandler::Access;
using Counts = AddressSpace::Counts;
using Map = MemoryAccess;
using Spanning = AddressSpace::Spanning;

constexpr uint64_t kLast = std::numeric_limits<uint64_t>::max();

class AddressSpaceTest : public ::testing::Test {
 protected:
  RegistrationPtr Claim(uint64_t base, uint64_t size, MmioHandler& handler) {
    auto claim = space_.Claim(base, size, handler);
    EXPECT_TRUE(claim.ok()) << claim.status();
    return *std::move(claim);
  }

  RegistrationPtr MapMemory(uint64_t base, Map access) {
    auto mapping = space_.Map(
        base, {.data = memory_.data(), .size = memory_.size()}, access);
    EXPECT_TRUE(mapping.ok()) << mapping.status();
    return *std::move(mapping);
  }

  Log log_;
  Faults faults_;
  AddressSpace space_{{.log = &log_, .faults = &faults_}};
  RecordingHandler handler_;
  alignas(8) std::array<uint8_t, 16> memory_ = {0, 1, 2,  3,  4,  5,  6,  7,
                                                8, 9, 10, 11, 12, 13, 14, 15};
};

TEST_F(AddressSpaceTest, NothingReadsAsOnesAndDropsWrites) {
  EXPECT_EQ(space_.Read<uint8_t>(0), 0xff);
  EXPECT_EQ(space_.Read<uint16_t>(kLast - 1), 0xffff);
  EXPECT_EQ(space_.Read32(0x1001), 0xffffffff);
  EXPECT_EQ(space_.Read<uint64_t>(0x1000), kLast);
  space_.Write32(0x1000, 0);
  EXPECT_EQ(space_.counts(), (Counts{.unclaimed = 5}));
}

TEST_F(AddressSpaceTest, AClaimGetsWholeAccessesWithTheirOffset) {
  const RegistrationPtr claim = Claim(0x1000, 0x100, handler_);
  EXPECT_EQ(space_.Read32(0x1000), 0x03020100u);
  EXPECT_EQ(space_.Read<uint8_t>(0x10ff), 0xff);
  space_.Write<uint64_t>(0x10f8, 0x0807060504030201);
  space_.Write<uint16_t>(0x1001, 0x0201);
  EXPECT_THAT(
      handler_.Take(),
      ElementsAre(Access{.offset = 0, .read = 4},
                  Access{.offset = 0xff, .read = 1},
                  Access{.offset = 0xf8, .written = {1, 2, 3, 4, 5, 6, 7, 8}},
                  Access{.offset = 1, .written = {1, 2}}));
  EXPECT_EQ(space_.counts(), (Counts{.claimed = 4}));
  // One before, one after.
  EXPECT_EQ(space_.Read<uint8_t>(0xfff), 0xff);
  EXPECT_EQ(space_.Read<uint8_t>(0x1100), 0xff);
  EXPECT_THAT(handler_.Take(), IsEmpty());
}

TEST_F(AddressSpaceTest, AccessesMayHaveAnySize) {
  const RegistrationPtr claim = Claim(0x1000, 0x100, handler_);
  std::vector<uint8_t> bytes(13);
  space_.Read(0x1003, absl::MakeSpan(bytes));
  space_.Write(0x1003, {1, 2, 3});
  space_.Read(0x1003, {});
  space_.Write(0x1003, {});
  EXPECT_THAT(handler_.Take(),
              ElementsAre(Access{.offset = 3, .read = 13},
                          Access{.offset = 3, .written = {1, 2, 3}}));
}

TEST_F(AddressSpaceTest, AClaimGoesWithItsRegistration) {
  RegistrationPtr claim = Claim(0x1000, 0x100, handler_);
  claim.reset();
  EXPECT_EQ(space_.Read32(0x1000), 0xffffffff);
  EXPECT_THAT(handler_.Take(), IsEmpty());
  claim = Claim(0x1000, 0x100, handler_);
  EXPECT_THAT(log_.Take(), ElementsAre(Entry::Claim(0x1000, 0x100),
                                       Entry::Unclaim(0x1000, 0x100),
                                       Entry::Claim(0x1000, 0x100)));
}

TEST_F(AddressSpaceTest, MemoryIsReadAndWritten) {
  RegistrationPtr mapping = MapMemory(0x1000, Map::kReadWrite);
  EXPECT_EQ(space_.Read<uint8_t>(0x1001), 1);
  EXPECT_EQ(space_.Read<uint16_t>(0x1002), 0x0302);
  EXPECT_EQ(space_.Read32(0x1004), 0x07060504u);
  EXPECT_EQ(space_.Read<uint64_t>(0x1008), 0x0f0e0d0c0b0a0908u);
  EXPECT_EQ(space_.Read32(0x1003), 0x06050403u);  // Not aligned.
  std::array<uint8_t, 3> odd = {};
  space_.Read(0x1001, absl::MakeSpan(odd));
  EXPECT_THAT(odd, ElementsAre(1, 2, 3));

  space_.Write<uint8_t>(0x1000, 0xa0);
  space_.Write<uint16_t>(0x1002, 0xa3a2);
  space_.Write32(0x1005, 0xa8a7a6a5);  // Not aligned.
  space_.Write32(0x100c, 0xafaeadac);
  EXPECT_THAT(memory_, ElementsAre(0xa0, 1, 0xa2, 0xa3, 4, 0xa5, 0xa6, 0xa7,
                                   0xa8, 9, 10, 11, 0xac, 0xad, 0xae, 0xaf));
  space_.Write<uint64_t>(0x1008, 0);
  EXPECT_EQ(space_.Read<uint64_t>(0x1008), 0u);
  EXPECT_EQ(space_.counts(), (Counts{.memory = 12}));

  mapping.reset();
  EXPECT_EQ(space_.Read<uint8_t>(0x1001), 0xff);
  EXPECT_THAT(log_.Take(),
              ElementsAre(Entry::Map(0x1000, 16, Map::kReadWrite),
                          Entry::Unmap(0x1000, 16, Map::kReadWrite)));
}

TEST_F(AddressSpaceTest, ReadOnlyMemoryDropsWrites) {
  const RegistrationPtr mapping = MapMemory(0x1000, Map::kReadOnly);
  space_.Write32(0x1000, 0xffffffff);
  EXPECT_EQ(space_.Read32(0x1000), 0x03020100u);
  EXPECT_EQ(space_.counts(), (Counts{.memory = 1, .read_only = 1}));
}

TEST_F(AddressSpaceTest, RangesDoNotOverlap) {
  const RegistrationPtr claim = Claim(0x1000, 0x100, handler_);
  const RegistrationPtr mapping = MapMemory(0x2000, Map::kReadWrite);
  RecordingHandler other;
  for (const auto& [base, size] : std::vector<std::pair<uint64_t, uint64_t>>{
           {0x1000, 0x100},   // The same.
           {0x10ff, 1},       // The last byte.
           {0xfff, 2},        // The first.
           {0x1010, 0x10},    // Inside.
           {0xf00, 0x1000},   // Around.
           {0x2000, 1},       // The other range.
           {0x200f, 0x1000},  // Its last byte.
           {0, kLast}}) {
    const auto second = space_.Claim(base, size, other);
    EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists)
        << base << "+" << size;
    const auto third = space_.Map(base, {.data = memory_.data(), .size = size},
                                  Map::kReadWrite);
    EXPECT_EQ(third.status().code(), absl::StatusCode::kAlreadyExists);
  }
  EXPECT_THAT(space_.Claim(0x10ff, 2, other).status().message(),
              HasSubstr("got claim [0x10ff, 0x1100], which overlaps claim "
                        "[0x1000, 0x10ff]"));
  EXPECT_THAT(space_.Claim(0x1fff, 2, other).status().message(),
              HasSubstr("overlaps mapping [0x2000, 0x200f]"));
  // Adjacent ones are fine.
  const RegistrationPtr before = Claim(0xfff, 1, other);
  const RegistrationPtr after = Claim(0x1100, 0xf00, other);
  EXPECT_EQ(space_.Read<uint8_t>(0x10ff), 0xff);
  EXPECT_THAT(handler_.Take(), SizeIs(1));
}

TEST_F(AddressSpaceTest, RefusesWhatIsNoRange) {
  EXPECT_EQ(space_.Claim(0x1000, 0, handler_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(space_.Claim(0, 0, handler_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(space_.Claim(kLast, 2, handler_).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(space_.Claim(kLast - 1, 3, handler_).status().message(),
              HasSubstr("size: expected at most 0x2 above 0xfffffffffffffffe, "
                        "got 0x3"));
  EXPECT_EQ(space_.Claim(1, kLast, handler_).status().code(),
            absl::StatusCode::kOk);
  EXPECT_EQ(space_.Map(0x1000, {.data = nullptr, .size = 1}, Map::kReadWrite)
                .status()
                .code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(AddressSpaceTest, InjectedFailuresLeaveNothingBehind) {
  faults_.FailNth(Operation::kClaim, 1, absl::UnavailableError("claim"));
  faults_.FailNth(Operation::kMap, 1, absl::InternalError("map"));
  EXPECT_EQ(space_.Claim(0x1000, 0x100, handler_).status(),
            absl::UnavailableError("claim"));
  EXPECT_EQ(space_
                .Map(0x2000, {.data = memory_.data(), .size = memory_.size()},
                     Map::kReadWrite)
                .status(),
            absl::InternalError("map"));
  EXPECT_EQ(space_.Read<uint8_t>(0x2001), 0xff);
  const RegistrationPtr claim = Claim(0x1000, 0x100, handler_);
  EXPECT_THAT(log_.Take(),
              ElementsAre(Entry::Refuse(Operation::kClaim, 0x1000,
                                        absl::StatusCode::kUnavailable),
                          Entry::Refuse(Operation::kMap, 0x2000,
                                        absl::StatusCode::kInternal),
                          Entry::Claim(0x1000, 0x100)));
}

TEST_F(AddressSpaceTest, ASplitAccessGoesToEachSide) {
  RecordingHandler other(0x80);
  const RegistrationPtr first = Claim(0x1000, 0x10, handler_);
  const RegistrationPtr second = Claim(0x1010, 0x10, other);
  EXPECT_EQ(space_.Read32(0x100f), 0x8281800fu);
  EXPECT_EQ(space_.Read32(0xffe), 0x0100ffffu);
  space_.Write32(0x101e, 0x04030201);
  EXPECT_THAT(handler_.Take(), ElementsAre(Access{.offset = 15, .read = 1},
                                           Access{.offset = 0, .read = 2}));
  EXPECT_THAT(other.Take(),
              ElementsAre(Access{.offset = 0, .read = 3},
                          Access{.offset = 14, .written = {1, 2}}));
  EXPECT_EQ(space_.counts(),
            (Counts{.claimed = 4, .unclaimed = 2, .spanning = 3}));
}

TEST_F(AddressSpaceTest, ASplitAccessReachesMemoryToo) {
  const RegistrationPtr claim = Claim(0xff0, 0x10, handler_);
  const RegistrationPtr mapping = MapMemory(0x1000, Map::kReadWrite);
  EXPECT_EQ(space_.Read32(0xffe), 0x01000f0eu);
  space_.Write32(0x100f, 0xaabbccdd);
  EXPECT_EQ(memory_[15], 0xdd);
  // Around everything.
  std::vector<uint8_t> bytes(0x40);
  space_.Read(0xfe8, absl::MakeSpan(bytes));
  EXPECT_EQ(bytes[7], 0xff);
  EXPECT_EQ(bytes[8 + 2], 2);
  EXPECT_EQ(bytes[8 + 16 + 3], 3);
  EXPECT_EQ(bytes[8 + 32], 0xff);
  EXPECT_EQ(space_.counts(),
            (Counts{.memory = 3, .claimed = 2, .unclaimed = 3, .spanning = 3}));
}

TEST_F(AddressSpaceTest, ASpanningAccessMayFault) {
  AddressSpace space({.spanning = Spanning::kFault});
  auto claim = space.Claim(0x1000, 0x10, handler_);
  ASSERT_TRUE(claim.ok());
  auto mapping =
      space.Map(0x1010, {.data = memory_.data(), .size = memory_.size()},
                Map::kReadWrite);
  ASSERT_TRUE(mapping.ok());
  EXPECT_EQ(space.Read32(0x100e), 0xffffffff);
  EXPECT_EQ(space.Read32(0xffe), 0xffffffff);
  EXPECT_EQ(space.Read32(0x101e), 0xffffffff);
  space.Write32(0x100e, 0xaaaaaaaa);
  EXPECT_THAT(handler_.Take(), IsEmpty());
  EXPECT_EQ(memory_[0], 0);
  EXPECT_EQ(space.counts(), (Counts{.spanning = 4}));
}

TEST_F(AddressSpaceTest, TheLastAddressIsTheEnd) {
  const RegistrationPtr claim = Claim(kLast - 3, 4, handler_);
  EXPECT_EQ(space_.Read32(kLast - 3), 0x03020100u);
  EXPECT_EQ(space_.Read32(kLast - 5), 0x0100ffffu);
  RecordingHandler zero;
  const RegistrationPtr low = Claim(0, 4, zero);
  handler_.Take();
  EXPECT_EQ(space_.Read32(kLast - 1), 0xffffffff);
  space_.Write32(kLast - 1, 0);
  EXPECT_THAT(handler_.Take(), IsEmpty());
  EXPECT_THAT(zero.Take(), IsEmpty());
  EXPECT_EQ(space_.counts(),
            (Counts{.claimed = 2, .unclaimed = 1, .spanning = 3}));
}

TEST_F(AddressSpaceTest, ALateAccessReachesTheHandlerOfItsTime) {
  RecordingHandler next(0x80);
  RegistrationPtr claim = Claim(0x1000, 0x10, handler_);
  const auto late = space_.Capture(0x1004, 4);
  ASSERT_TRUE(late.ok()) << late.status();
  claim.reset();
  claim = Claim(0x1000, 0x10, next);
  std::array<uint8_t, 4> bytes;
  late->Read(absl::MakeSpan(bytes));
  EXPECT_THAT(bytes, ElementsAre(4, 5, 6, 7));
  late->Write({1, 2, 3, 4});
  EXPECT_THAT(handler_.Take(),
              ElementsAre(Access{.offset = 4, .read = 4},
                          Access{.offset = 4, .written = {1, 2, 3, 4}}));
  EXPECT_THAT(next.Take(), IsEmpty());
}

TEST_F(AddressSpaceTest, OnlyAccessesInOneClaimAreLate) {
  const RegistrationPtr claim = Claim(0x1000, 0x10, handler_);
  const RegistrationPtr mapping = MapMemory(0x1010, Map::kReadWrite);
  for (uint64_t address : {0xfff, 0x100d, 0x1010, 0x2000}) {
    EXPECT_EQ(space_.Capture(address, 4).status().code(),
              absl::StatusCode::kNotFound);
  }
  EXPECT_TRUE(space_.Capture(0x100c, 4).ok());
}

TEST_F(AddressSpaceTest, AHandlerMayReleaseItsClaim) {
  struct Leaver : MmioHandler {
    void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
      claim.reset();
      bytes[0] = static_cast<uint8_t>(space->Read<uint8_t>(0x1000) - 1);
    }
    void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}
    AddressSpace* space;
    RegistrationPtr claim;
  } leaver;
  leaver.space = &space_;
  leaver.claim = Claim(0x1000, 1, leaver);
  EXPECT_EQ(space_.Read<uint8_t>(0x1000), 0xfe);
}

TEST_F(AddressSpaceTest, RegistrationsOutliveTheSpace) {
  auto log = std::make_unique<Log>();
  auto space =
      std::make_unique<AddressSpace>(AddressSpace::Options{.log = log.get()});
  auto claim = space->Claim(0x1000, 0x10, handler_);
  ASSERT_TRUE(claim.ok());
  space.reset();
  log.reset();
  claim->reset();
}

}  // namespace
}  // namespace ivshmem::mock
