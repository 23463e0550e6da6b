// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/size.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::tool {
namespace {

using testing::AllOf;
using testing::HasSubstr;

// Bytes are numbers, decimal or hexadecimal, or powers of 1024 of them.
// Fault: server-sizes
TEST(ParseSize, ReadsNumbersAndUnits) {
  EXPECT_EQ(*ParseSize("--size", "0"), 0);
  EXPECT_EQ(*ParseSize("--size", "4096"), 4096);
  EXPECT_EQ(*ParseSize("--size", "0x1000"), 4096);
  EXPECT_EQ(*ParseSize("--size", "4K"), 4096);
  EXPECT_EQ(*ParseSize("--size", "4m"), 4u << 20);
  EXPECT_EQ(*ParseSize("--size", "4G"), uint64_t{4} << 30);
  EXPECT_EQ(*ParseSize("--size", "2T"), uint64_t{2} << 40);
  EXPECT_EQ(*ParseSize("--size", "18446744073709551615"), ~uint64_t{0});
}

// Everything else is an error that names the flag and what was typed; QEMU's
// server takes 4G for one byte.
TEST(ParseSize, RefusesEverythingElse) {
  for (const std::string text :
       {"", "K", "-1", "+1", " 1", "1 ", "1.5M", "4MB", "0x", "0xg", "x10",
        "18446744073709551616", "16777216T", "four", "4M4"}) {
    const auto size = ParseSize("--size", text);
    ASSERT_FALSE(size.ok()) << text << " is " << *size;
    EXPECT_THAT(std::string(size.status().message()),
                AllOf(HasSubstr("--size"), HasSubstr("'" + text + "'")));
  }
}

// What is printed can be typed again.
RC_GTEST_PROP(FormatSize, IsReadBackAsTheSame, (uint64_t bytes)) {
  const int shift = *rc::gen::inRange(0, 50);
  RC_ASSERT(*ParseSize("--size", FormatSize(bytes)) == bytes);
  RC_ASSERT(*ParseSize("--size", FormatSize(bytes << shift)) == bytes << shift);
}

TEST(FormatSize, UsesTheLargestUnit) {
  EXPECT_EQ(FormatSize(0), "0");
  EXPECT_EQ(FormatSize(4097), "4097");
  EXPECT_EQ(FormatSize(4096), "4K");
  EXPECT_EQ(FormatSize(4 << 20), "4M");
  EXPECT_EQ(FormatSize(uint64_t{5} << 50), "5120T");
}

}  // namespace
}  // namespace ivshmem::tool
