// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/address_map.h"

#include <array>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>

#include "examples/two_guests/test_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Reads the offset.
class Echo : public Recorder {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(offset++);
  }
};

class AddressMapTest : public testing::Test {
 protected:
  std::array<uint8_t, 4> Read(uint64_t address) {
    std::array<uint8_t, 4> bytes = {};
    map_.Read(address, absl::MakeSpan(bytes));
    return bytes;
  }
  void Write(uint64_t address, uint8_t value) {
    const std::array<uint8_t, 4> bytes = {value};
    map_.Write(address, bytes);
  }

  AddressMap map_;
  Echo handler_;
};

TEST_F(AddressMapTest, HandsAccessesOnByOffset) {
  const auto claim = *map_.Claim(0x1000, 0x100, handler_);
  EXPECT_THAT(Read(0x1000), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(Read(0x10fc), ElementsAre(0xfc, 0xfd, 0xfe, 0xff));
  Write(0x1004, 7);
  EXPECT_THAT(handler_.values(), ElementsAre(7));
}

TEST_F(AddressMapTest, WhatIsNotWhollyClaimedReadsOnes) {
  const auto claim = *map_.Claim(0x1000, 0x100, handler_);
  for (const uint64_t address : std::initializer_list<uint64_t>{
           0, 0xffe, 0x10fd, 0x1100, ~uint64_t{0} - 3, ~uint64_t{0}}) {
    EXPECT_THAT(Read(address), ElementsAre(0xff, 0xff, 0xff, 0xff)) << address;
    Write(address, 1);
  }
  EXPECT_THAT(handler_.values(), IsEmpty());
}

TEST_F(AddressMapTest, NeighboursDoNotMerge) {
  const auto low = *map_.Claim(0x1000, 0x100, handler_);
  const auto high = *map_.Claim(0x1100, 0x100, handler_);
  EXPECT_THAT(Read(0x10fe), ElementsAre(0xff, 0xff, 0xff, 0xff));
  EXPECT_THAT(Read(0x1100), ElementsAre(0, 1, 2, 3));
}

TEST_F(AddressMapTest, RefusesOverlapsAndWhatIsNoRange) {
  const auto claim = map_.Claim(0x1000, 0x100, handler_);
  ASSERT_TRUE(claim.ok());
  for (const auto& [base, size] : {std::pair<uint64_t, uint64_t>{0x1000, 0x100},
                                   {0xfff, 2},
                                   {0x10ff, 1},
                                   {0x1050, 1},
                                   {0xf00, 0x400}}) {
    EXPECT_EQ(map_.Claim(base, size, handler_).status().code(),
              absl::StatusCode::kAlreadyExists)
        << base;
  }
  EXPECT_FALSE(map_.Claim(0x5000, 0, handler_).ok());
  EXPECT_FALSE(map_.Claim(~uint64_t{0}, 2, handler_).ok());
  EXPECT_TRUE(map_.Claim(0xf00, 0x100, handler_).ok());
  EXPECT_TRUE(map_.Claim(0x1100, 1, handler_).ok());
  EXPECT_TRUE(map_.Claim(~uint64_t{0}, 1, handler_).ok());
}

TEST_F(AddressMapTest, AReleasedRangeIsFree) {
  { const auto claim = *map_.Claim(0x1000, 0x100, handler_); }
  EXPECT_THAT(Read(0x1000), ElementsAre(0xff, 0xff, 0xff, 0xff));
  EXPECT_TRUE(map_.Claim(0x1000, 0x100, handler_).ok());
}

TEST_F(AddressMapTest, AHandlerMayReleaseItsOwnClaim) {
  RegistrationPtr claim = *map_.Claim(0x1000, 0x100, handler_);
  handler_.OnWrite([&](uint32_t) { claim = nullptr; });
  Write(0x1000, 1);
  Write(0x1000, 2);
  EXPECT_THAT(handler_.values(), ElementsAre(1));
}

TEST_F(AddressMapTest, AClaimMayOutliveTheMap) {
  auto map = std::make_unique<AddressMap>();
  const auto claim = *map->Claim(0x1000, 0x100, handler_);
  map = nullptr;
}

}  // namespace
}  // namespace ivshmem::two_guests
