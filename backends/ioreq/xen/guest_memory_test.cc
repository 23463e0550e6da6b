// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/guest_memory.h"

#include <array>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"
#include "backends/ioreq/xen/ioreq_abi.h"
#include "backends/ioreq/xen/recording_hypervisor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

using Bytes = std::vector<uint8_t>;

class XenGuestMemoryTest : public ::testing::Test {
 protected:
  XenGuestMemoryTest() {
    for (const uint64_t frame : {0x10, 0x11, 0x12}) {
      xen_.AddFrame(frame);
      xen_.frame(frame).fill(frame & 0xff);
    }
  }
  ~XenGuestMemoryTest() override {
    EXPECT_EQ(xen_.Existing(), "");
    EXPECT_THAT(xen_.complaints(), IsEmpty());
  }

  bool Read(uint64_t address, Bytes& bytes) {
    return memory_.Read(address, absl::MakeSpan(bytes));
  }

  RecordingHypervisor xen_;
  GuestMemory memory_{xen_};
};

// A read maps the frame to read only, and keeps nothing.
TEST_F(XenGuestMemoryTest, Reads) {
  xen_.frame(0x11)[0x123] = 0xaa;
  xen_.frame(0x11)[0x124] = 0xbb;
  Bytes bytes(2);
  EXPECT_TRUE(Read(0x11123, bytes));
  EXPECT_THAT(bytes, ElementsAre(0xaa, 0xbb));
  EXPECT_THAT(xen_.TakeCalls(),
              ElementsAre("MapFrame 0x11 prot 1", "UnmapFrame"));
}

TEST_F(XenGuestMemoryTest, Writes) {
  EXPECT_TRUE(memory_.Write(0x11122, Bytes{1, 2}));
  EXPECT_THAT(xen_.TakeCalls(),
              ElementsAre("MapFrame 0x11 prot 3", "UnmapFrame"));
  EXPECT_THAT(absl::MakeSpan(xen_.frame(0x11)).subspan(0x121, 4),
              ElementsAre(0x11, 1, 2, 0x11));
}

// The last byte of a frame needs no other.
TEST_F(XenGuestMemoryTest, EndsOfAFrame) {
  Bytes bytes(1);
  EXPECT_TRUE(Read(0x12fff, bytes));
  EXPECT_TRUE(Read(0x10000, bytes));
  EXPECT_TRUE(memory_.Write(0x12ff8, Bytes(8)));
  bytes.resize(kPageSize);
  EXPECT_TRUE(Read(0x11000, bytes));
  EXPECT_THAT(bytes, Each(0x11));
}

// Operands cross frames, which need not be neighbours here.
TEST_F(XenGuestMemoryTest, AcrossFrames) {
  Bytes bytes(4);
  EXPECT_TRUE(Read(0x10ffd, bytes));
  EXPECT_THAT(bytes, ElementsAre(0x10, 0x10, 0x10, 0x11));
  EXPECT_TRUE(memory_.Write(0x10ffe, Bytes{1, 2, 3, 4}));
  EXPECT_TRUE(Read(0x10ffd, bytes));
  EXPECT_THAT(bytes, ElementsAre(0x10, 1, 2, 3));
  EXPECT_EQ(xen_.frame(0x11)[1], 4);
  EXPECT_EQ(xen_.frame(0x11)[2], 0x11);

  bytes.resize(kPageSize + 2);
  EXPECT_TRUE(Read(0x10fff, bytes));
  EXPECT_EQ(bytes.front(), 2);
  EXPECT_EQ(bytes.back(), 0x12);
}

// What is not all RAM fails; nothing stays mapped.
TEST_F(XenGuestMemoryTest, NoRam) {
  Bytes bytes(4);
  EXPECT_FALSE(Read(0xffff, bytes));
  EXPECT_FALSE(Read(0x12ffe, bytes));
  EXPECT_FALSE(Read(0x13000, bytes));
  EXPECT_FALSE(memory_.Write(0x12ffe, bytes));
  EXPECT_FALSE(memory_.Write(0xfee00000, bytes));
}

// An operand does not go on at address 0: nothing is mapped for it.
TEST_F(XenGuestMemoryTest, PastTheLastAddress) {
  constexpr uint64_t kTop = std::numeric_limits<uint64_t>::max();
  xen_.AddFrame(0);
  xen_.AddFrame(kTop / kPageSize);
  Bytes bytes(2);
  EXPECT_FALSE(Read(kTop, bytes));
  EXPECT_FALSE(memory_.Write(kTop, bytes));
  EXPECT_THAT(xen_.TakeCalls(), IsEmpty());
  EXPECT_TRUE(Read(kTop - 1, bytes));
}

// Nothing is always there.
TEST_F(XenGuestMemoryTest, NoBytes) {
  Bytes bytes;
  EXPECT_TRUE(Read(0xfee00000, bytes));
  EXPECT_THAT(xen_.TakeCalls(), IsEmpty());
}

}  // namespace
}  // namespace ivshmem::xen
