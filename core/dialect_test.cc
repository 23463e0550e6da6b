// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "core/dialect.h"

#include <cstdint>
#include <iterator>
#include <optional>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace ivshmem {
namespace {

// The design's table of dialects, row by row and each cell by itself. A word
// for each cell, so that the table can be read beside the design's.
struct Row {
  const char* name;
  uint32_t register_block;
  AccessRule access_sizes;
  Storage mask;
  Storage status;
  // IVPosition of a device without id, and whether a device without interrupts
  // shows its id there.
  uint32_t no_id;
  bool always_id;
  int most_vectors;
  int usual_vectors;
  int revision;
};

constexpr Row kTable[] = {
    // "Mask: R/W storage; Status: R/W storage, read clears; IVPosition: id, 0
    // when not configured for interrupts; up to 2048 vectors".
    {"rev1", 256, AccessRule::kDwordOrPair, Storage::kPlain,
     Storage::kClearedByRead, 0, false, 2048, 1, 1},
    // "IVPosition: id, or -1 until set up"; "Revision 0 ... before QEMU 2.6.0".
    {"rev0", 256, AccessRule::kDwordOrPair, Storage::kPlain,
     Storage::kClearedByRead, 0xffffffff, false, 2048, 1, 0},
    // As revision 1, "BAR0 by access size" as measured.
    {"qemu", 256, AccessRule::kQemuPieces, Storage::kPlain,
     Storage::kClearedByRead, 0, false, 2048, 1, 1},
    // "16 B; Mask and Status: reads 0, write ignored; IVPosition: id; 4 bytes;
    // up to 64 vectors".
    {"qemu-flat", 16, AccessRule::kDword, Storage::kNone, Storage::kNone, 0,
     true, 64, 2, 1},
    // "R/W storage, read does not clear; IVPosition: id; exactly 4 bytes,
    // aligned; 8 vectors by default".
    {"acrn", 256, AccessRule::kDword, Storage::kPlain, Storage::kPlain, 0, true,
     2048, 8, 1},
};

class DialectTable : public ::testing::TestWithParam<Row> {};

TEST_P(DialectTable, IsAsDesigned) {
  const Row& row = GetParam();
  const std::optional<Dialect> dialect = FindDialect(row.name);
  ASSERT_TRUE(dialect.has_value());
  EXPECT_EQ(dialect->name, row.name);
  EXPECT_EQ(dialect->block_size, row.register_block);
  EXPECT_EQ(dialect->access, row.access_sizes);
  EXPECT_EQ(dialect->mask, row.mask);
  EXPECT_EQ(dialect->status, row.status);
  EXPECT_EQ(dialect->position_before_setup, row.no_id);
  EXPECT_EQ(dialect->position_without_interrupts, row.always_id);
  EXPECT_EQ(dialect->max_vectors, row.most_vectors);
  EXPECT_EQ(dialect->default_vectors, row.usual_vectors);
  EXPECT_EQ(dialect->pci_revision, row.revision);
}

INSTANTIATE_TEST_SUITE_P(Rows, DialectTable, ::testing::ValuesIn(kTable),
                         [](const auto& info) {
                           std::string name(info.param.name);
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

// The table above leaves none out.
TEST(DialectTest, AllAreInTheTable) {
  EXPECT_EQ(kDialects.size(), std::size(kTable));
}

// What holds for all of them: registers fit the block, a doorbell can name
// every vector, and what a device has by default it may have.
TEST(DialectTest, AreSound) {
  std::set<std::string> names;
  for (const Dialect* dialect : kDialects) {
    SCOPED_TRACE(std::string(dialect->name));
    EXPECT_TRUE(names.insert(std::string(dialect->name)).second);
    EXPECT_GE(dialect->block_size, 16u);
    EXPECT_EQ(dialect->block_size % 16, 0u);
    EXPECT_GE(dialect->default_vectors, 1);
    EXPECT_LE(dialect->default_vectors, dialect->max_vectors);
    EXPECT_LE(dialect->max_vectors, kMaxVectors);
  }
}

// A name is found as it is written, and no other.
TEST(FindDialectTest, ByExactName) {
  for (const Dialect* dialect : kDialects) {
    EXPECT_EQ(FindDialect(dialect->name)->name, dialect->name);
  }
  for (const char* name : {"", "rev2", "Rev1", "rev", "rev1 ", "qemu-", "x"}) {
    EXPECT_FALSE(FindDialect(name).has_value()) << name;
  }
}

static_assert(FindDialect("acrn")->default_vectors == 8);
static_assert(!FindDialect("xen").has_value());

}  // namespace
}  // namespace ivshmem
