// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/protocol/message.h"

#include <cstdint>
#include <limits>

#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::protocol {
namespace {

// A message is a number of 8 bytes, the least significant first ...
static_assert(Encode(0x0102030405060708) ==
              MessageBytes{8, 7, 6, 5, 4, 3, 2, 1});
static_assert(Decode({8, 7, 6, 5, 4, 3, 2, 1}) == 0x0102030405060708);
static_assert(Encode(65535) == MessageBytes{0xff, 0xff});
static_assert(Decode({0xff, 0xff}) == 65535);

// ... and signed, in two's complement.
static_assert(Encode(-1) ==
              MessageBytes{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff});
static_assert(Decode({0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}) == -1);
static_assert(Encode(std::numeric_limits<int64_t>::min()) ==
              MessageBytes{0, 0, 0, 0, 0, 0, 0, 0x80});
static_assert(Decode({0, 0, 0, 0, 0, 0, 0, 0x80}) ==
              std::numeric_limits<int64_t>::min());

// The version is zero at present; the shared memory's number is -1.
static_assert(Encode(kVersion) == MessageBytes{});
static_assert(kMemory == -1);

// Clause: message
TEST(MessageTest, EachByteHasItsPlace) {
  for (int byte = 0; byte < 8; ++byte) {
    MessageBytes bytes = {};
    bytes[byte] = 0xa5;
    const auto number = static_cast<int64_t>(uint64_t{0xa5} << (8 * byte));
    EXPECT_EQ(Decode(bytes), number);
    EXPECT_EQ(Encode(number), bytes);
  }
}

RC_GTEST_PROP(MessageTest, DecodeUndoesEncode, (int64_t number)) {
  RC_ASSERT(Decode(Encode(number)) == number);
}

}  // namespace
}  // namespace ivshmem::protocol
