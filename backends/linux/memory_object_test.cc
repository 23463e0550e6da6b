// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/memory_object.h"

#include <utility>

#include "backends/linux/open_fds.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

TEST(MemoryObjectTest, Memfd) {
  const auto before = OpenFds();
  {
    absl::StatusOr<MemoryObject> object = MemoryObject::Memfd(8192);
    ASSERT_TRUE(object.ok()) << object.status();
    EXPECT_EQ(object->size(), 8192U);
    EXPECT_TRUE(object->sealed());
    EXPECT_TRUE(object->created());
    absl::StatusOr<MappedMemory> mapped = object->Map();
    ASSERT_TRUE(mapped.ok()) << mapped.status();
    mapped->view().data[8191] = 7;
    EXPECT_EQ(mapped->view().size, 8192U);
  }
  EXPECT_EQ(OpenFds(), before);
}

}  // namespace
}  // namespace ivshmem
