// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/address_map.h"

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Reads the offset; keeps the low bytes of what is written.
class Echo : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(offset++);
  }
  void Write(uint64_t, absl::Span<const uint8_t> bytes) noexcept override {
    values_.push_back(bytes[0]);
    if (on_write_) on_write_();
  }

  // Called in each write, after it was noted.
  void OnWrite(std::function<void()> on_write) {
    on_write_ = std::move(on_write);
  }
  const std::vector<uint8_t>& values() const { return values_; }

 private:
  std::vector<uint8_t> values_;
  std::function<void()> on_write_;
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

// Who asks is told how much of an access is claimed; what is not wholly in one
// claim does nothing, and leaves the bytes of a read as they are.
TEST_F(AddressMapTest, TellsHowMuchIsClaimed) {
  using Coverage = AddressMap::Coverage;
  const auto claim = *map_.Claim(0x1000, 0x100, handler_);
  const auto next = *map_.Claim(0x1100, 2, handler_);
  const auto top = *map_.Claim(~uint64_t{0} - 1, 2, handler_);
  for (const auto& [address, coverage] :
       {std::pair<uint64_t, Coverage>{0x1000, Coverage::kWhole},
        {0x10fc, Coverage::kWhole},
        {0xffd, Coverage::kPart},
        {0xfff, Coverage::kPart},
        {0x10fd, Coverage::kPart},
        {0x10fe, Coverage::kPart},
        {0x1100, Coverage::kPart},
        {0x1101, Coverage::kPart},
        {0xffc, Coverage::kNone},
        {0x1102, Coverage::kNone},
        {~uint64_t{0} - 4, Coverage::kPart},
        {~uint64_t{0} - 1, Coverage::kNone}}) {
    std::array<uint8_t, 4> bytes = {0x55, 0x55, 0x55, 0x55};
    EXPECT_EQ(map_.TryWrite(address, bytes), coverage) << address;
    EXPECT_EQ(map_.TryRead(address, absl::MakeSpan(bytes)), coverage)
        << address;
    if (coverage != Coverage::kWhole) {
      EXPECT_THAT(bytes, ElementsAre(0x55, 0x55, 0x55, 0x55)) << address;
    }
  }
  EXPECT_THAT(handler_.values(), ElementsAre(0x55, 0x55));
  EXPECT_EQ(map_.TryRead(0x1000, {}), Coverage::kNone);
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
  handler_.OnWrite([&] { claim = nullptr; });
  Write(0x1000, 1);
  Write(0x1000, 2);
  EXPECT_THAT(handler_.values(), ElementsAre(1));
}

// What a handler uses may be freed once its claim is released and Synchronize()
// has returned, while other threads go on with their accesses.
TEST_F(AddressMapTest, SynchronizeWaitsForAccesses) {
  // Answers as long as it is alive.
  class Mortal : public MmioHandler {
   public:
    explicit Mortal(std::atomic<bool>& failed) : failed_(failed) {}
    ~Mortal() override { alive_ = false; }
    void Read(uint64_t, absl::Span<uint8_t>) noexcept override {
      for (int i = 0; i < 50; ++i) {
        if (!alive_) failed_ = true;
      }
    }
    void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}

   private:
    std::atomic<bool>& failed_;
    std::atomic<bool> alive_{true};
  };

  std::atomic<bool> failed{false};
  std::atomic<bool> stop{false};
  std::vector<std::thread> vcpus;
  for (int i = 0; i < 2; ++i) {
    vcpus.emplace_back([&] {
      uint8_t bytes[4];
      while (!stop) map_.Read(0x1000, bytes);
    });
  }
  for (int round = 0; round < 2000; ++round) {
    auto handler = std::make_unique<Mortal>(failed);
    RegistrationPtr claim = *map_.Claim(0x1000, 0x100, *handler);
    claim = nullptr;
    map_.Synchronize();
    handler = nullptr;
  }
  stop = true;
  for (std::thread& vcpu : vcpus) vcpu.join();
  EXPECT_FALSE(failed);
}

TEST_F(AddressMapTest, AClaimMayOutliveTheMap) {
  auto map = std::make_unique<AddressMap>();
  const auto claim = *map->Claim(0x1000, 0x100, handler_);
  map = nullptr;
}

}  // namespace
}  // namespace ivshmem
