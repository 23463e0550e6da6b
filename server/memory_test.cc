// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "backends/linux/identity.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"

namespace ivshmem::server {
namespace {

using Kind = MemorySpec::Kind;

// A PCI BAR is a power of two.
TEST(RoundUpToBarTest, GivesTheNextPowerOfTwo) {
  EXPECT_EQ(RoundUpToBar(1), 1);
  EXPECT_EQ(RoundUpToBar(4095), 4096);
  EXPECT_EQ(RoundUpToBar(4096), 4096);
  EXPECT_EQ(RoundUpToBar(4097), 8192);
  EXPECT_EQ(RoundUpToBar((uint64_t{1} << 32) + 1), uint64_t{1} << 33);
  EXPECT_EQ(RoundUpToBar(uint64_t{1} << 63), uint64_t{1} << 63);
  EXPECT_EQ(RoundUpToBar((uint64_t{1} << 63) + 1), 0);
}

// Any other size is an error that names the next one.
TEST(OpenMemoryTest, RefusesOtherSizes) {
  const auto memory = OpenMemory({.kind = Kind::kMemfd, .size = 12288});
  ASSERT_EQ(memory.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(memory.status().message(),
            "size: expected a power of two, as a PCI BAR has, got 12288; the "
            "next power of two is 16384");
  EXPECT_FALSE(OpenMemory({.kind = Kind::kMemfd, .size = 0}).ok());
  EXPECT_FALSE(OpenMemory({.kind = Kind::kMemfd, .size = ~uint64_t{0}}).ok());
}

// A memfd needs no name, a file keeps its own.
TEST(OpenMemoryTest, OpensWhatIsAskedFor) {
  const ShortDirectory directory;
  const std::string path = directory.File("memory");
  EXPECT_EQ(OpenMemory({.kind = Kind::kMemfd, .size = 8192})->size(), 8192);
  const auto file =
      OpenMemory({.kind = Kind::kFile, .name = path, .size = 8192});
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(std::filesystem::file_size(path), 8192);
  RemoveShm({.kind = Kind::kFile, .name = path, .size = 8192}, *file);
  EXPECT_TRUE(std::filesystem::exists(path));
}

// A file in a directory has no name as soon as it is open, also when it could
// not be used.
TEST(OpenMemoryTest, LeavesNoNameInADirectory) {
  const ShortDirectory directory;
  const auto memory = OpenMemory(
      {.kind = Kind::kDirectory, .name = directory.path(), .size = 8192});
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->size(), 8192);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_FALSE(OpenMemory({.kind = Kind::kDirectory,
                           .name = directory.path(),
                           .size = uint64_t{1} << 63})
                   .ok());
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  EXPECT_FALSE(OpenMemory({.kind = Kind::kDirectory,
                           .name = directory.File("none"),
                           .size = 8192})
                   .ok());
}

// The name of shared memory is removed only from the object that it is of.
TEST(RemoveShmTest, RemovesOnlyItsOwn) {
  const MemorySpec spec = {.kind = Kind::kShm,
                           .name = "ivshmem_test_" + RandomIdentity(),
                           .size = 4096};
  const auto first = OpenMemory(spec);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_TRUE(first->created());
  ASSERT_EQ(shm_unlink(spec.name.c_str()), 0);
  const auto second = OpenMemory(spec);
  ASSERT_TRUE(second.ok());
  RemoveShm(spec, *first);
  EXPECT_FALSE(OpenMemory(spec)->created());
  RemoveShm(spec, *second);
  EXPECT_NE(shm_unlink(spec.name.c_str()), 0);
}

}  // namespace
}  // namespace ivshmem::server
