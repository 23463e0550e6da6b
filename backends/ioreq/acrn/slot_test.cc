// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/slot.h"

#include <linux/acrn.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "backends/ioreq/request.h"
#include "bus/pci/config_ports.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

using ioreq::Request;
using Kind = Request::Kind;
using Direction = Request::Direction;

// Distinguishable bytes everywhere, so that a field that is taken from a wrong
// place shows.
acrn_io_request Noise() {
  acrn_io_request shared;
  for (size_t i = 0; i < sizeof(shared); ++i) {
    reinterpret_cast<uint8_t*>(&shared)[i] = static_cast<uint8_t>(0x80 + i);
  }
  return shared;
}

std::vector<uint8_t> BytesOf(const acrn_io_request& shared) {
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&shared);
  return {bytes, bytes + sizeof(shared)};
}

acrn_io_request Mmio(uint32_t type, uint32_t direction) {
  acrn_io_request shared = Noise();
  shared.type = type;
  shared.reqs.mmio_request.direction = direction;
  shared.reqs.mmio_request.address = 0xfedcba9876543210;
  shared.reqs.mmio_request.size = 0x100000008;
  shared.reqs.mmio_request.value = 0x1122334455667788;
  return shared;
}

acrn_io_request Pci(uint32_t bus, uint32_t dev, uint32_t func, uint32_t reg) {
  acrn_io_request shared = Noise();
  shared.type = ACRN_IOREQ_TYPE_PCICFG;
  shared.reqs.pci_request.direction = ACRN_IOREQ_DIR_READ;
  shared.reqs.pci_request.size = 4;
  shared.reqs.pci_request.value = 0xa1a2a3a4;
  shared.reqs.pci_request.bus = bus;
  shared.reqs.pci_request.dev = dev;
  shared.reqs.pci_request.func = func;
  shared.reqs.pci_request.reg = reg;
  return shared;
}

// Only what the kernel has taken, and does not answer itself, is ours.
TEST(SlotTest, OnlyProcessingIsARequest) {
  acrn_io_request shared = Noise();
  shared.kernel_handled = 0;
  for (const uint32_t state :
       {ACRN_IOREQ_STATE_PENDING, ACRN_IOREQ_STATE_COMPLETE,
        ACRN_IOREQ_STATE_FREE, 4, 0x102}) {
    shared.processed = state;
    EXPECT_FALSE(Slot(shared).HasRequest()) << state;
  }
  shared.processed = ACRN_IOREQ_STATE_PROCESSING;
  EXPECT_TRUE(Slot(shared).HasRequest());
  shared.kernel_handled = 1;
  EXPECT_FALSE(Slot(shared).HasRequest());
}

TEST(SlotTest, CopiesMemoryRequests) {
  acrn_io_request shared = Mmio(ACRN_IOREQ_TYPE_MMIO, ACRN_IOREQ_DIR_READ);
  Request request = Slot(shared).Copy();
  EXPECT_EQ(request.kind, Kind::kMemory);
  EXPECT_EQ(request.direction, Direction::kRead);
  EXPECT_EQ(request.address, 0xfedcba9876543210);
  EXPECT_EQ(request.size, 0x100000008u) << "nothing is cut off";
  EXPECT_EQ(request.value, 0x1122334455667788u);
  EXPECT_EQ(request.count, 1u);
  EXPECT_FALSE(request.value_is_address);
  shared = Mmio(ACRN_IOREQ_TYPE_MMIO, ACRN_IOREQ_DIR_WRITE);
  EXPECT_EQ(Slot(shared).Copy().direction, Direction::kWrite);
}

// Write protect is a memory write.
TEST(SlotTest, WriteProtectIsAMemoryWrite) {
  for (const uint32_t direction : {0, 1, 2}) {
    acrn_io_request shared = Mmio(kTypeWriteProtect, direction);
    const Request request = Slot(shared).Copy();
    EXPECT_EQ(request.kind, Kind::kMemory);
    EXPECT_EQ(request.direction, Direction::kWrite);
    EXPECT_EQ(request.address, 0xfedcba9876543210);
    EXPECT_EQ(request.value, 0x1122334455667788u);
  }
}

// A port's value has 4 bytes.
TEST(SlotTest, CopiesPortRequests) {
  acrn_io_request shared = Mmio(ACRN_IOREQ_TYPE_PORTIO, ACRN_IOREQ_DIR_WRITE);
  const Request request = Slot(shared).Copy();
  EXPECT_EQ(request.kind, Kind::kPorts);
  EXPECT_EQ(request.direction, Direction::kWrite);
  EXPECT_EQ(request.address, 0xfedcba9876543210);
  EXPECT_EQ(request.size, 0x100000008u);
  EXPECT_EQ(request.value, 0x55667788u);
}

// A config request names bus, device, function and register.
TEST(SlotTest, CopiesConfigRequests) {
  acrn_io_request shared = Pci(255, 31, 7, 4095);
  Request request = Slot(shared).Copy();
  EXPECT_EQ(request.kind, Kind::kPciConfig);
  EXPECT_EQ(request.direction, Direction::kRead);
  EXPECT_EQ(request.address, pci::EcamOffset(255, 31, 7) + 4095);
  EXPECT_EQ(request.size, 4u);
  EXPECT_EQ(request.value, 0xa1a2a3a4u);
  shared = Pci(1, 2, 3, 0x44);
  EXPECT_EQ(Slot(shared).Copy().address, pci::EcamOffset(1, 2, 3) + 0x44);
}

// A function or a register that cannot be is not another one: its address is
// past the end of config space.
TEST(SlotTest, FunctionsThatCannotBe) {
  for (acrn_io_request shared :
       {Pci(256, 0, 0, 0), Pci(0, 32, 0, 0), Pci(0, 0, 8, 0),
        Pci(0, 0, 0, 4096), Pci(~0u, ~0u, ~0u, ~0u)}) {
    const Request request = Slot(shared).Copy();
    EXPECT_EQ(request.kind, Kind::kPciConfig);
    EXPECT_GE(request.address, pci::EcamOffset(256, 0, 0));
  }
}

// Types and directions that ACRN does not have are unknown.
TEST(SlotTest, UnknownTypesAndDirections) {
  for (const uint32_t type : {4u, 5u, 0x101u, ~0u}) {
    acrn_io_request shared = Mmio(type, ACRN_IOREQ_DIR_READ);
    EXPECT_EQ(Slot(shared).Copy().kind, Kind::kUnknown) << type;
  }
  for (const uint32_t type :
       {ACRN_IOREQ_TYPE_PORTIO, ACRN_IOREQ_TYPE_MMIO, ACRN_IOREQ_TYPE_PCICFG}) {
    for (const uint32_t direction : {2u, 0x100u, ~0u}) {
      acrn_io_request shared = Mmio(type, direction);
      EXPECT_EQ(Slot(shared).Copy().direction, Direction::kUnknown);
    }
  }
}

// The answer goes to the value, and nowhere else.
TEST(SlotTest, SetsTheValueOnly) {
  for (const auto& [type, bytes] :
       {std::pair<uint32_t, size_t>{ACRN_IOREQ_TYPE_MMIO, 8},
        {ACRN_IOREQ_TYPE_PORTIO, 4},
        {ACRN_IOREQ_TYPE_PCICFG, 4},
        {99, 8}}) {
    acrn_io_request shared = Mmio(type, ACRN_IOREQ_DIR_READ);
    acrn_io_request expected = shared;
    const uint64_t value = 0xc1c2c3c4c5c6c7c8;
    std::memcpy(&expected.reqs.mmio_request.value, &value, bytes);
    Slot slot(shared);
    slot.SetValue(slot.Copy(), value);
    EXPECT_EQ(BytesOf(shared), BytesOf(expected)) << type;
  }
}

// Of a direction that is unknown the hypervisor may expect a value; of a write
// it expects none.
TEST(SlotTest, WritesHaveNoAnswer) {
  acrn_io_request shared = Mmio(ACRN_IOREQ_TYPE_MMIO, ACRN_IOREQ_DIR_WRITE);
  const acrn_io_request before = shared;
  Slot slot(shared);
  slot.SetValue(slot.Copy(), 5);
  EXPECT_EQ(BytesOf(shared), BytesOf(before));
  shared.reqs.mmio_request.direction = 7;
  slot.SetValue(slot.Copy(), 5);
  EXPECT_EQ(shared.reqs.mmio_request.value, 5u);
}

}  // namespace
}  // namespace ivshmem::acrn
