// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/guests/images.h"

#include <cstdint>
#include <cstring>

#include "examples/two_guests/guests/cortex_m/board.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

uint32_t Word(absl::Span<const uint8_t> image, size_t index) {
  uint32_t value = 0;
  EXPECT_LE(4 * index + 4, image.size());
  if (4 * index + 4 <= image.size()) std::memcpy(&value, &image[4 * index], 4);
  return value;
}

TEST(ImagesTest, AreSmall) {
  EXPECT_LT(X86Image().size(), 4096u);
  EXPECT_LT(CortexMImage().size(), 4096u);
}

TEST(ImagesTest, X86BeginsWithItsEntry) {
  ASSERT_GT(X86Image().size(), 2u);
  EXPECT_EQ(X86Image()[0], 0xfa);  // cli
  EXPECT_EQ(X86Image()[1], 0xfc);  // cld
}

TEST(ImagesTest, CortexMBeginsWithItsVectors) {
  const absl::Span<const uint8_t> image = CortexMImage();
  EXPECT_EQ(Word(image, 0), CORTEX_M_RAM_ADDRESS + CORTEX_M_RAM_SIZE);
  for (const int vector : {1, 2, 3, 16 + CORTEX_M_IVSHMEM_IRQ}) {
    EXPECT_EQ(Word(image, vector) % 2, 1u) << vector;  // Thumb.
    EXPECT_LT(Word(image, vector), image.size()) << vector;
  }
  EXPECT_EQ(Word(image, 16), 0u);  // Another line has no handler.
}

}  // namespace
}  // namespace ivshmem::two_guests
