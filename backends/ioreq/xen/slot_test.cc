// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/slot.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "backends/ioreq/xen/ioreq_abi.h"
#include "gtest/gtest.h"

namespace ivshmem::xen {
namespace {

// A request is 32 bytes, a page holds 128 of them; the states are numbered in
// their order.
static_assert(sizeof(ioreq_t) == 32);
static_assert(offsetof(ioreq_t, addr) == 0);
static_assert(offsetof(ioreq_t, data) == 8);
static_assert(offsetof(ioreq_t, count) == 16);
static_assert(offsetof(ioreq_t, size) == 20);
static_assert(offsetof(ioreq_t, vp_eport) == 24);
static_assert(offsetof(ioreq_t, type) == 31);
static_assert(kRequestsPerPage == 128);
static_assert(STATE_IOREQ_NONE == 0 && STATE_IOREQ_READY == 1 &&
              STATE_IOREQ_INPROCESS == 2 && STATE_IORESP_READY == 3);

uint8_t ByteOf(const ioreq_t& request, size_t offset) {
  return reinterpret_cast<const uint8_t*>(&request)[offset];
}

// The bit fields have no offset that a compiler would tell: the state is the
// low half of byte 30, above it are data_is_ptr, dir and df.
TEST(IoreqAbiTest, BitFields) {
  ioreq_t request = {};
  request.state = 0xf;
  EXPECT_EQ(ByteOf(request, 30), 0x0f);
  request = {};
  request.data_is_ptr = 1;
  EXPECT_EQ(ByteOf(request, 30), 0x10);
  request = {};
  request.dir = 1;
  EXPECT_EQ(ByteOf(request, 30), 0x20);
  request = {};
  request.df = 1;
  EXPECT_EQ(ByteOf(request, 30), 0x40);
}

// A field of each kind, none like another, all flags set.
ioreq_t AnyRequest(unsigned state) {
  ioreq_t request;
  std::memset(&request, 0xff, sizeof(request));
  request.addr = 0x1122334455667788;
  request.data = 0x99aabbccddeeff00;
  request.count = 0x01234567;
  request.size = 0x89abcdef;
  request.vp_eport = 0xfedcba98;
  request.state = state & 0xf;
  request.type = 0xa5;
  return request;
}

bool Same(const ioreq_t& a, const ioreq_t& b) {
  return std::memcmp(&a, &b, sizeof(a)) == 0;
}

// A slot that is READY goes to INPROCESS, and nothing else in it changes.
TEST(SlotTest, BeginsWhatIsReady) {
  ioreq_t shared = AnyRequest(STATE_IOREQ_READY);
  Slot slot(&shared);
  EXPECT_TRUE(slot.IsReady());
  const std::optional<ioreq_t> request = slot.Begin();
  ASSERT_TRUE(request.has_value());
  EXPECT_TRUE(Same(shared, AnyRequest(STATE_IOREQ_INPROCESS)));
  EXPECT_EQ(request->addr, 0x1122334455667788u);
  EXPECT_EQ(request->data, 0x99aabbccddeeff00u);
  EXPECT_EQ(request->count, 0x01234567u);
  EXPECT_EQ(request->size, 0x89abcdefu);
  EXPECT_EQ(request->vp_eport, 0xfedcba98u);
  EXPECT_EQ(request->type, 0xa5);
  EXPECT_EQ(request->data_is_ptr, 1);
  EXPECT_EQ(request->dir, 1);
  EXPECT_EQ(request->df, 1);
}

// Each flag comes from its own bit.
TEST(SlotTest, CopiesEachFlag) {
  for (int bit = 0; bit < 3; ++bit) {
    ioreq_t shared = {};
    shared.state = STATE_IOREQ_READY;
    shared.data_is_ptr = bit == 0;
    shared.dir = bit == 1;
    shared.df = bit == 2;
    const std::optional<ioreq_t> request = Slot(&shared).Begin();
    ASSERT_TRUE(request.has_value());
    EXPECT_EQ(request->data_is_ptr, bit == 0);
    EXPECT_EQ(request->dir, bit == 1);
    EXPECT_EQ(request->df, bit == 2);
  }
}

// A slot in any other state, known or not, has no request, and is left alone:
// Xen crashes the domain when a state goes back.
TEST(SlotTest, BeginsNothingElse) {
  for (unsigned state = 0; state < 16; ++state) {
    if (state == STATE_IOREQ_READY) continue;
    ioreq_t shared = AnyRequest(state);
    Slot slot(&shared);
    EXPECT_FALSE(slot.IsReady()) << state;
    EXPECT_FALSE(slot.Begin().has_value()) << state;
    EXPECT_TRUE(Same(shared, AnyRequest(state))) << state;
  }
}

// The answer is the data and the state, nothing else: above all not the event
// channel's port, without which Xen accepts no further request.
TEST(SlotTest, CompletesWithData) {
  ioreq_t shared = AnyRequest(STATE_IOREQ_INPROCESS);
  EXPECT_TRUE(Slot(&shared).Complete(0x0102030405060708));
  ioreq_t expected = AnyRequest(STATE_IORESP_READY);
  expected.data = 0x0102030405060708;
  EXPECT_TRUE(Same(shared, expected));
}

// A write, or a read into memory, has no data to give back.
TEST(SlotTest, CompletesWithoutData) {
  ioreq_t shared = AnyRequest(STATE_IOREQ_INPROCESS);
  EXPECT_TRUE(Slot(&shared).Complete(std::nullopt));
  EXPECT_TRUE(Same(shared, AnyRequest(STATE_IORESP_READY)));
}

// What is not in process, its data included, is left alone.
TEST(SlotTest, CompletesNothingElse) {
  for (unsigned state = 0; state < 16; ++state) {
    if (state == STATE_IOREQ_INPROCESS) continue;
    ioreq_t shared = AnyRequest(state);
    EXPECT_FALSE(Slot(&shared).Complete(1)) << state;
    EXPECT_TRUE(Same(shared, AnyRequest(state))) << state;
  }
}

TEST(SlotTest, EventPort) {
  ioreq_t shared = AnyRequest(STATE_IOREQ_NONE);
  EXPECT_EQ(Slot(&shared).event_port(), 0xfedcba98u);
}

}  // namespace
}  // namespace ivshmem::xen
