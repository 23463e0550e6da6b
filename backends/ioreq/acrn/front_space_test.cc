// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/front_space.h"

#include <array>
#include <cerrno>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "backends/ioreq/acrn/emulation_ranges.h"
#include "backends/ioreq/acrn/requests.h"
#include "bus/access.h"
#include "bus/mmio_handler.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

// 16 bytes that can be read and written.
class Bytes : public MmioHandler {
 public:
  void Read(uint64_t offset, absl::Span<uint8_t> bytes) noexcept override {
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = data.at(offset + i);
  }
  void Write(uint64_t offset,
             absl::Span<const uint8_t> bytes) noexcept override {
    for (size_t i = 0; i < bytes.size(); ++i) data.at(offset + i) = bytes[i];
  }

  std::array<uint8_t, 16> data = {0, 1, 2,  3,  4,  5,  6,  7,
                                  8, 9, 10, 11, 12, 13, 14, 15};
};

class FrontSpaceTest : public ::testing::Test {
 protected:
  FrontSpaceTest() {
    EXPECT_TRUE(memory_.AddWindow(0x10000, 0x10000).ok());
    EXPECT_TRUE(ports_.AddWindow(0xc00, 0x100).ok());
    ranges_.Launch();
  }

  int Do(acrn_io_request& request) { return ranges_.Emulate(request); }

  EmulationRanges ranges_;
  FrontSpace memory_{ranges_, FrontSpace::Kind::kMemory};
  FrontSpace ports_{ranges_, FrontSpace::Kind::kPorts};
  Bytes bytes_;
};

// A claim after the launch: accesses reach the handler, in the guest's order of
// bytes, by the offset; and no more when it is released.
TEST_F(FrontSpaceTest, ClaimsComeAndGo) {
  auto claim = memory_.Claim(0x10100, 16, bytes_);
  ASSERT_TRUE(claim.ok()) << claim.status();
  acrn_io_request request = MmioRead(0x10104, 4);
  EXPECT_EQ(Do(request), 0);
  EXPECT_EQ(request.reqs.mmio_request.value, 0x07060504u);
  request = MmioWrite(0x10108, 8, 0x1122334455667788);
  EXPECT_EQ(Do(request), 0);
  EXPECT_EQ(bytes_.data[8], 0x88);
  EXPECT_EQ(bytes_.data[15], 0x11);
  *claim = nullptr;
  memory_.Synchronize();
  request = MmioRead(0x10104, 4);
  EXPECT_EQ(Do(request), EmulationRanges::kNobody);
}

// Across a claim's edge: -EIO, and nothing is written. Where none is, the
// access goes on.
TEST_F(FrontSpaceTest, PartAndNone) {
  auto claim = memory_.Claim(0x10100, 16, bytes_);
  ASSERT_TRUE(claim.ok());
  acrn_io_request request = MmioWrite(0x1010e, 4, ~0u);
  EXPECT_EQ(Do(request), -EIO);
  EXPECT_EQ(bytes_.data[14], 14);
  request = MmioRead(0x100fe, 4);
  EXPECT_EQ(Do(request), -EIO);
  request = MmioRead(0x10110, 4);
  EXPECT_EQ(Do(request), EmulationRanges::kNobody);
  request = MmioWrite(0x10110, 4, 1);
  EXPECT_EQ(Do(request), EmulationRanges::kNobody);
}

// Claims lie in a window, whole, and not on each other.
TEST_F(FrontSpaceTest, RefusesClaims) {
  constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();
  for (const auto& [base, size] : {std::pair<uint64_t, uint64_t>(0xfff8, 16),
                                   {0x1fff8, 16},
                                   {0x8000, 16},
                                   {0x20000, 1},
                                   {0x10000, 0x10001},
                                   {0x18000, kTop},
                                   {kTop, 1}}) {
    EXPECT_TRUE(
        absl::IsInvalidArgument(memory_.Claim(base, size, bytes_).status()))
        << base;
  }
  EXPECT_TRUE(memory_.Claim(0x10000, 0x10000, bytes_).ok());
  auto claim = memory_.Claim(0x1fff0, 16, bytes_);
  ASSERT_TRUE(claim.ok());
  EXPECT_TRUE(
      absl::IsAlreadyExists(memory_.Claim(0x1fff8, 8, bytes_).status()));
}

// Windows: none after the launch, none that is empty or past the end.
TEST_F(FrontSpaceTest, RefusesWindows) {
  EXPECT_TRUE(absl::IsInvalidArgument(memory_.AddWindow(0x40000, 0x1000)));
  EXPECT_TRUE(
      absl::IsInvalidArgument(memory_.Claim(0x40000, 0x1000, bytes_).status()));
  EmulationRanges ranges;
  FrontSpace memory(ranges, FrontSpace::Kind::kMemory);
  FrontSpace ports(ranges, FrontSpace::Kind::kPorts);
  EXPECT_TRUE(absl::IsInvalidArgument(memory.AddWindow(0x1000, 0)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      memory.AddWindow(std::numeric_limits<uint64_t>::max() - 1, 4)));
  EXPECT_TRUE(absl::IsInvalidArgument(ports.AddWindow(0x10000, 1)));
  EXPECT_TRUE(absl::IsInvalidArgument(ports.AddWindow(0xffff, 2)));
  EXPECT_TRUE(absl::IsInvalidArgument(ports.AddWindow(0, 0x10001)));
  EXPECT_TRUE(absl::IsInvalidArgument(ports.AddWindow(0, uint64_t{1} << 32)));
  EXPECT_TRUE(ports.AddWindow(0, 0x10000).ok());
}

// Ports: as memory, but what is not claimed is answered: all ones.
TEST_F(FrontSpaceTest, Ports) {
  auto claim = ports_.Claim(0xc10, 16, bytes_);
  ASSERT_TRUE(claim.ok());
  acrn_io_request request = PortRead(0xc12, 2);
  EXPECT_EQ(Do(request), 0);
  EXPECT_EQ(request.reqs.pio_request.value, 0x0302u);
  request = PortWrite(0xc13, 1, 0xabcd);
  EXPECT_EQ(Do(request), 0);
  EXPECT_EQ(bytes_.data[3], 0xcd);
  EXPECT_EQ(bytes_.data[4], 4);
  for (const uint16_t port : {0xc1e, 0xc40}) {
    request = PortRead(port, 4);
    EXPECT_EQ(Do(request), 0);
    EXPECT_EQ(request.reqs.pio_request.value, 0xffffffffu);
    request = PortWrite(port, 4, 0);
    EXPECT_EQ(Do(request), 0);
  }
  EXPECT_EQ(bytes_.data[14], 14);
}

}  // namespace
}  // namespace ivshmem::acrn
