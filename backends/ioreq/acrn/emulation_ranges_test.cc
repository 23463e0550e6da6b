// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/emulation_ranges.h"

#include <cerrno>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "backends/ioreq/acrn/requests.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

// Keeps what it was called with, and answers as told.
struct Handler {
  static int Mmio(acrn_io_request& request, void* data) {
    auto& self = *static_cast<Handler*>(data);
    self.accesses.push_back(request.reqs.mmio_request);
    if (request.reqs.mmio_request.direction == ACRN_IOREQ_DIR_READ) {
      request.reqs.mmio_request.value = self.value;
    }
    return self.result;
  }
  static uint32_t Read(uint16_t port, int size, void* data) {
    auto& self = *static_cast<Handler*>(data);
    self.reads.push_back({port, size});
    return static_cast<uint32_t>(self.value);
  }
  static void Write(uint16_t port, int size, uint32_t value, void* data) {
    auto& self = *static_cast<Handler*>(data);
    self.writes.push_back({port, size, value});
  }

  struct PortAccess {
    uint16_t port;
    int size;
    uint32_t value = 0;
    bool operator==(const PortAccess&) const = default;
  };

  uint64_t value = 0x1122334455667788;
  int result = 0;
  std::vector<acrn_mmio_request> accesses;
  std::vector<PortAccess> reads;
  std::vector<PortAccess> writes;
};

class EmulationRangesTest : public ::testing::Test {
 protected:
  int Do(const acrn_io_request& request) {
    request_ = request;
    return ranges_.Emulate(request_);
  }
  uint64_t value() const { return request_.reqs.mmio_request.value; }
  uint32_t port_value() const { return request_.reqs.pio_request.value; }

  EmulationRanges ranges_;
  Handler a_;
  Handler b_;
  acrn_io_request request_ = {};
};

// -EINVAL for a null handler, an end that is not above the start, and a VM that
// has been launched.
TEST_F(EmulationRangesTest, RefusesRanges) {
  EXPECT_TRUE(absl::IsInvalidArgument(
      ranges_.RegisterMmio(0x1000, 0x2000, nullptr, &a_)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      ranges_.RegisterMmio(0x1000, 0x1000, Handler::Mmio, &a_)));
  EXPECT_TRUE(absl::IsInvalidArgument(
      ranges_.RegisterMmio(0x1000, 0xfff, Handler::Mmio, &a_)));
  EXPECT_EQ(Do(MmioRead(0x1000, 4)), EmulationRanges::kNobody);
  ranges_.Launch();
  EXPECT_TRUE(absl::IsInvalidArgument(
      ranges_.RegisterMmio(0x1000, 0x2000, Handler::Mmio, &a_)));
  EXPECT_TRUE(absl::IsInvalidArgument(ranges_.RegisterPorts(
      {.base = 1, .length = 1}, Handler::Read, Handler::Write, &a_)));
  EXPECT_TRUE(absl::IsInvalidArgument(ranges_.AllowPorts(1, 1)));
  EXPECT_EQ(Do(MmioRead(0x1000, 4)), EmulationRanges::kNobody);
  EXPECT_EQ(Do(PortRead(1, 1)), EmulationRanges::kNobody);
  EXPECT_EQ(ranges_.io_bitmap()[0], 0xff);
}

// No ports, or past the last one.
TEST_F(EmulationRangesTest, RefusesPorts) {
  EXPECT_TRUE(absl::IsInvalidArgument(ranges_.RegisterPorts(
      {.base = 0x60, .length = 0}, Handler::Read, Handler::Write, &a_)));
  EXPECT_TRUE(absl::IsInvalidArgument(ranges_.RegisterPorts(
      {.base = 0xffff, .length = 2}, Handler::Read, Handler::Write, &a_)));
  EXPECT_TRUE(absl::IsInvalidArgument(ranges_.AllowPorts(0xffff, 2)));
  EXPECT_TRUE(absl::IsInvalidArgument(ranges_.AllowPorts(0, 0)));
  EXPECT_TRUE(ranges_
                  .RegisterPorts({.base = 0, .length = 0x10000}, Handler::Read,
                                 nullptr, &a_)
                  .ok());
}

// The handler gets the access with its private data, and what it reads is
// masked to the size; so is what is written.
TEST_F(EmulationRangesTest, CallsTheHandler) {
  ASSERT_TRUE(ranges_.RegisterMmio(0x1000, 0x2000, Handler::Mmio, &a_).ok());
  ASSERT_TRUE(ranges_.RegisterMmio(0x2000, 0x3000, Handler::Mmio, &b_).ok());
  ranges_.Launch();
  EXPECT_EQ(Do(MmioRead(0x1ffe, 2)), 0);
  EXPECT_EQ(value(), 0x7788u);
  EXPECT_EQ(Do(MmioRead(0x2000, 8)), 0);
  EXPECT_EQ(value(), 0x1122334455667788u);
  EXPECT_EQ(Do(MmioWrite(0x2ff8, 4, 0xaabbccddeeff0011)), 0);
  ASSERT_EQ(a_.accesses.size(), 1u);
  EXPECT_EQ(a_.accesses[0].address, 0x1ffeu);
  ASSERT_EQ(b_.accesses.size(), 2u);
  EXPECT_EQ(b_.accesses[1].direction, uint32_t{ACRN_IOREQ_DIR_WRITE});
  EXPECT_EQ(b_.accesses[1].value, 0xeeff0011u);
}

// An access that spans the end of a range, or its start: -EIO, and nobody is
// called, also when the two ranges together have all of it.
TEST_F(EmulationRangesTest, AnAccessAcrossTheEdge) {
  ASSERT_TRUE(ranges_.RegisterMmio(0x1000, 0x2000, Handler::Mmio, &a_).ok());
  ASSERT_TRUE(ranges_.RegisterMmio(0x2000, 0x3000, Handler::Mmio, &b_).ok());
  EXPECT_EQ(Do(MmioRead(0xffc, 8)), -EIO);
  EXPECT_EQ(Do(MmioRead(0x1ffe, 4)), -EIO);
  EXPECT_EQ(Do(MmioWrite(0x2fff, 2, 0)), -EIO);
  EXPECT_TRUE(a_.accesses.empty());
  EXPECT_TRUE(b_.accesses.empty());
  EXPECT_EQ(Do(MmioRead(0x3000, 1)), EmulationRanges::kNobody);
  EXPECT_EQ(Do(MmioRead(0xff8, 8)), EmulationRanges::kNobody);
}

// An access larger than the range around which it lies.
TEST_F(EmulationRangesTest, AnAccessAroundTheRange) {
  ASSERT_TRUE(ranges_.RegisterMmio(0x1002, 0x1004, Handler::Mmio, &a_).ok());
  EXPECT_EQ(Do(MmioRead(0x1000, 8)), -EIO);
  EXPECT_EQ(Do(MmioRead(0x1002, 2)), 0);
}

// Around the end of the address space: part of a range or nobody's, never
// inside.
TEST_F(EmulationRangesTest, WrapsAround) {
  constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(Do(MmioRead(kTop - 2, 8)), EmulationRanges::kNobody);
  ASSERT_TRUE(ranges_.RegisterMmio(0, 0x1000, Handler::Mmio, &a_).ok());
  EXPECT_EQ(Do(MmioRead(kTop - 2, 8)), -EIO);
  EXPECT_EQ(Do(MmioRead(kTop - 8, 8)), EmulationRanges::kNobody);
  EXPECT_EQ(Do(MmioRead(kTop - 7, 8)), EmulationRanges::kNobody);
  ASSERT_TRUE(ranges_.RegisterMmio(kTop - 0xff, kTop, Handler::Mmio, &b_).ok());
  EXPECT_EQ(Do(MmioRead(kTop - 7, 8)), -EIO) << "the last byte is nobody's";
  EXPECT_EQ(Do(MmioRead(kTop - 8, 8)), 0);
  EXPECT_EQ(Do(MmioRead(kTop, 2)), -EIO) << "of the first range";
  EXPECT_TRUE(a_.accesses.empty());
}

// The same where only the bytes below the top are in a range.
TEST_F(EmulationRangesTest, WrapsAroundFromARange) {
  constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();
  ASSERT_TRUE(ranges_.RegisterMmio(0x1000, kTop, Handler::Mmio, &a_).ok());
  EXPECT_EQ(Do(MmioRead(kTop - 2, 8)), -EIO);
  EXPECT_EQ(Do(MmioRead(kTop, 8)), EmulationRanges::kNobody);
  EXPECT_TRUE(a_.accesses.empty());
}

// Ranges that overlap: the first decides, also when only the other has all of
// the access.
TEST_F(EmulationRangesTest, TheFirstDecides) {
  ASSERT_TRUE(ranges_.RegisterMmio(0x1100, 0x1200, Handler::Mmio, &a_).ok());
  ASSERT_TRUE(ranges_.RegisterMmio(0x1000, 0x2000, Handler::Mmio, &b_).ok());
  EXPECT_EQ(Do(MmioRead(0x1100, 4)), 0);
  EXPECT_EQ(a_.accesses.size(), 1u);
  EXPECT_EQ(Do(MmioRead(0x11fe, 4)), -EIO);
  EXPECT_EQ(Do(MmioRead(0x1200, 4)), 0);
  EXPECT_EQ(b_.accesses.size(), 1u);
}

// The handler's errors are the result; with -ENODEV the access goes on.
TEST_F(EmulationRangesTest, TheHandlersResult) {
  ASSERT_TRUE(ranges_.RegisterMmio(0x1000, 0x2000, Handler::Mmio, &a_).ok());
  a_.result = -EPERM;
  EXPECT_EQ(Do(MmioRead(0x1000, 4)), -EPERM);
  a_.result = -ENODEV;
  EXPECT_EQ(Do(MmioRead(0x1000, 4)), EmulationRanges::kNobody);
}

// A write to write-protected memory is an MMIO write, whatever direction it
// says.
TEST_F(EmulationRangesTest, WriteProtect) {
  ASSERT_TRUE(ranges_.RegisterMmio(0x1000, 0x2000, Handler::Mmio, &a_).ok());
  acrn_io_request request = MmioRequest(7, 0x1000, 4, 5);
  request.type = kRequestTypeWriteProtect;
  EXPECT_EQ(Do(request), 0);
  ASSERT_EQ(a_.accesses.size(), 1u);
  EXPECT_EQ(a_.accesses[0].direction, uint32_t{ACRN_IOREQ_DIR_WRITE});
  EXPECT_EQ(a_.accesses[0].value, 5u);
}

// An unknown type, direction or size: -EINVAL, whoever is there.
TEST_F(EmulationRangesTest, Malformed) {
  ASSERT_TRUE(ranges_.RegisterMmio(0x0, 0x2000, Handler::Mmio, &a_).ok());
  ASSERT_TRUE(ranges_
                  .RegisterPorts({.base = 0, .length = 0x10000}, Handler::Read,
                                 Handler::Write, &a_)
                  .ok());
  acrn_io_request request = MmioRead(0x1000, 4);
  request.type = 4;
  EXPECT_EQ(Do(request), -EINVAL);
  request.type = 0xffffffff;
  EXPECT_EQ(Do(request), -EINVAL);
  for (const uint64_t size : {0ull, 3ull, 5ull, 16ull, ~0ull, 1ull << 32}) {
    EXPECT_EQ(Do(MmioRead(0x1000, size)), -EINVAL) << size;
    EXPECT_EQ(Do(PortRead(0x60, size)), -EINVAL) << size;
    request = PortRead(0x60, size);
    request.type = ACRN_IOREQ_TYPE_PCICFG;
    EXPECT_EQ(Do(request), -EINVAL) << size;
  }
  EXPECT_EQ(Do(PortRead(0x60, 8)), -EINVAL);
  EXPECT_EQ(Do(MmioRequest(2, 0x1000, 4)), -EINVAL);
  EXPECT_EQ(Do(PortRequest(2, 0x60, 4)), -EINVAL);
  request = PortRequest(2, 0x60, 4);
  request.type = ACRN_IOREQ_TYPE_PCICFG;
  EXPECT_EQ(Do(request), -EINVAL);
  EXPECT_EQ(Do(PortRead(0x10000, 1)), -EINVAL);
  EXPECT_EQ(Do(PortRead(0x10060, 1)), -EINVAL);
  EXPECT_TRUE(a_.accesses.empty());
  EXPECT_TRUE(a_.reads.empty());
  request = PortRead(0x60, 4);
  request.type = ACRN_IOREQ_TYPE_PCICFG;
  EXPECT_EQ(Do(request), EmulationRanges::kNobody);
}

// Ports: the reader's value masked to the size; the writer gets as much.
TEST_F(EmulationRangesTest, Ports) {
  using Access = Handler::PortAccess;
  ASSERT_TRUE(ranges_
                  .RegisterPorts({.base = 0x60, .length = 5}, Handler::Read,
                                 Handler::Write, &a_)
                  .ok());
  EXPECT_EQ(Do(PortRead(0x64, 1)), 0);
  EXPECT_EQ(port_value(), 0x88u);
  EXPECT_EQ(Do(PortRead(0x60, 4)), 0);
  EXPECT_EQ(port_value(), 0x55667788u);
  EXPECT_EQ(Do(PortWrite(0x62, 2, 0xaabbccdd)), 0);
  EXPECT_EQ(a_.reads, (std::vector<Access>{{0x64, 1}, {0x60, 4}}));
  EXPECT_EQ(a_.writes, (std::vector<Access>{{0x62, 2, 0xccdd}}));
  EXPECT_EQ(Do(PortRead(0x64, 2)), -EIO);
  EXPECT_EQ(Do(PortWrite(0x5f, 2, 0)), -EIO);
  EXPECT_EQ(Do(PortRead(0x65, 1)), EmulationRanges::kNobody);
  EXPECT_EQ(Do(MmioRead(0x60, 4)), EmulationRanges::kNobody);
}

// The last port, and an access past it.
TEST_F(EmulationRangesTest, TheLastPort) {
  ASSERT_TRUE(ranges_
                  .RegisterPorts({.base = 0xffff, .length = 1}, Handler::Read,
                                 Handler::Write, &a_)
                  .ok());
  EXPECT_EQ(Do(PortRead(0xffff, 1)), 0);
  EXPECT_EQ(Do(PortRead(0xffff, 2)), -EIO);
}

// A null read is all ones, a null write is ignored.
TEST_F(EmulationRangesTest, PortsWithoutHandlers) {
  ASSERT_TRUE(
      ranges_
          .RegisterPorts({.base = 0x60, .length = 4}, nullptr, nullptr, nullptr)
          .ok());
  EXPECT_EQ(Do(PortRead(0x60, 2)), 0);
  EXPECT_EQ(port_value(), 0xffffu);
  EXPECT_EQ(Do(PortWrite(0x60, 2, 7)), 0);
}

// The attributes: read ignores writes; no access reads ones and ignores writes.
// No handler is called for either.
TEST_F(EmulationRangesTest, PortAttributes) {
  ASSERT_TRUE(
      ranges_
          .RegisterPorts(
              {.base = 0x60, .length = 4, .access = PortRange::Access::kRead},
              Handler::Read, Handler::Write, &a_)
          .ok());
  ASSERT_TRUE(
      ranges_
          .RegisterPorts(
              {.base = 0x70, .length = 4, .access = PortRange::Access::kNone},
              Handler::Read, Handler::Write, &b_)
          .ok());
  EXPECT_EQ(Do(PortRead(0x60, 1)), 0);
  EXPECT_EQ(port_value(), 0x88u);
  EXPECT_EQ(Do(PortWrite(0x60, 1, 7)), 0);
  EXPECT_EQ(Do(PortRead(0x70, 4)), 0);
  EXPECT_EQ(port_value(), 0xffffffffu);
  EXPECT_EQ(Do(PortWrite(0x70, 1, 7)), 0);
  EXPECT_EQ(a_.reads.size(), 1u);
  EXPECT_TRUE(a_.writes.empty());
  EXPECT_TRUE(b_.reads.empty());
  EXPECT_TRUE(b_.writes.empty());
}

// Direct access to a range clears its bits, and no other, of the bitmap.
TEST_F(EmulationRangesTest, AllowsPorts) {
  ASSERT_TRUE(ranges_.AllowPorts(0x3f6, 4).ok());
  ASSERT_TRUE(ranges_.AllowPorts(0xffff, 1).ok());
  for (uint32_t port = 0; port < 0x10000; ++port) {
    const bool traps = (ranges_.io_bitmap()[port / 8] >> port % 8 & 1) != 0;
    const bool allowed = (port >= 0x3f6 && port < 0x3fa) || port == 0xffff;
    ASSERT_EQ(traps, !allowed) << port;
  }
}

}  // namespace
}  // namespace ivshmem::acrn
