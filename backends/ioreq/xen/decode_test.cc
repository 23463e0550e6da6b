// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/decode.h"

#include <cstdint>

#include "backends/ioreq/request.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "bus/pci/config_ports.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using Kind = ioreq::Request::Kind;
using Direction = ioreq::Request::Direction;

ioreq_t Of(uint8_t type, uint64_t address = 0) {
  ioreq_t request = {};
  request.type = type;
  request.addr = address;
  request.size = 4;
  request.count = 1;
  return request;
}

// "63..48 segment, 47..40 bus, 39..35 device, 34..32 function, 31..0 offset"
uint64_t ConfigAddress(uint64_t segment, uint64_t bus, uint64_t device,
                       uint64_t function, uint64_t offset) {
  return segment << 48 | bus << 40 | device << 35 | function << 32 | offset;
}

// The types are port I/O 0, memory 1 and PCI config 2; no other is an access.
TEST(DecodeTest, Kinds) {
  for (int type = 0; type < 256; ++type) {
    const Kind expected = type == 0   ? Kind::kPorts
                          : type == 1 ? Kind::kMemory
                          : type == 2 ? Kind::kPciConfig
                                      : Kind::kUnknown;
    EXPECT_EQ(Decode(Of(type)).kind, expected) << type;
  }
}

// Two types are for the server, not for a device: 7 and 8.
TEST(DecodeTest, Notices) {
  for (int type = 0; type < 256; ++type) {
    EXPECT_EQ(IsNotice(Of(type)), type == 7 || type == 8) << type;
  }
}

// The direction is 1 for a read, 0 for a write.
TEST(DecodeTest, Directions) {
  ioreq_t request = Of(IOREQ_TYPE_COPY);
  EXPECT_EQ(Decode(request).direction, Direction::kWrite);
  request.dir = 1;
  EXPECT_EQ(Decode(request).direction, Direction::kRead);
}

// All else is handed on as it is, however wrong.
TEST(DecodeTest, FieldsAsTheyAre) {
  ioreq_t request = Of(IOREQ_TYPE_COPY, 0xfffffffffffffffe);
  request.data = 0x1122334455667788;
  request.size = 0xffffffff;
  request.count = 0xfffffffe;
  const ioreq::Request plain = Decode(request);
  EXPECT_EQ(plain.address, 0xfffffffffffffffeu);
  EXPECT_EQ(plain.value, 0x1122334455667788u);
  EXPECT_EQ(plain.size, 0xffffffffu);
  EXPECT_EQ(plain.count, 0xfffffffeu);
  EXPECT_FALSE(plain.backwards);
  EXPECT_FALSE(plain.value_is_address);

  request.df = 1;
  EXPECT_TRUE(Decode(request).backwards);
  EXPECT_FALSE(Decode(request).value_is_address);

  request.df = 0;
  request.data_is_ptr = 1;
  EXPECT_FALSE(Decode(request).backwards);
  EXPECT_TRUE(Decode(request).value_is_address);
}

// Ports are addresses of their own.
TEST(DecodeTest, Ports) {
  EXPECT_EQ(Decode(Of(IOREQ_TYPE_PIO, 0xcf8)).address, 0xcf8u);
}

// A config access has the address that it has in an ECAM window.
TEST(DecodeTest, ConfigSpaceOfEveryFunction) {
  for (int bus = 0; bus < 256; ++bus) {
    for (int device = 0; device < 32; ++device) {
      for (int function = 0; function < 8; ++function) {
        const ioreq::Request request =
            Decode(Of(IOREQ_TYPE_PCI_CONFIG,
                      ConfigAddress(0, bus, device, function, 0xffc)));
        ASSERT_EQ(request.kind, Kind::kPciConfig);
        ASSERT_EQ(request.address,
                  pci::EcamOffset(bus, device, function) + 0xffc);
      }
    }
  }
}

// Another segment's functions are not taken for segment 0's.
TEST(DecodeTest, OtherSegments) {
  for (const int segment : {1, 2, 0x8000, 0xffff}) {
    const ioreq::Request request = Decode(
        Of(IOREQ_TYPE_PCI_CONFIG, ConfigAddress(segment, 0, 3, 0, 0x10)));
    EXPECT_EQ(request.address, segment * (uint64_t{256} << 20) +
                                   pci::EcamOffset(0, 3, 0) + 0x10);
  }
}

// A function has 4 KiB: a register past them is not the next function's.
TEST(DecodeTest, RegistersPastTheFunction) {
  for (const uint64_t offset : {0x1000, 0x1004, 0x10000, 0x7fffffff}) {
    EXPECT_EQ(
        Decode(Of(IOREQ_TYPE_PCI_CONFIG, ConfigAddress(0, 0, 3, 0, offset)))
            .kind,
        Kind::kUnknown)
        << offset;
  }
  EXPECT_EQ(
      Decode(Of(IOREQ_TYPE_PCI_CONFIG, ConfigAddress(0, 0, 3, 0, 0xffffffff)))
          .kind,
      Kind::kUnknown);
  EXPECT_EQ(
      Decode(Of(IOREQ_TYPE_PCI_CONFIG, ConfigAddress(0, 0, 3, 0, 0xfff))).kind,
      Kind::kPciConfig);
}

// `data` is the answer of a read that does not go into memory.
TEST(DecodeTest, ReturnsData) {
  for (const bool read : {false, true}) {
    for (const bool pointer : {false, true}) {
      ioreq_t request = Of(IOREQ_TYPE_COPY);
      request.dir = read;
      request.data_is_ptr = pointer;
      EXPECT_EQ(ReturnsData(request), read && !pointer);
    }
  }
}

}  // namespace
}  // namespace ivshmem::xen
