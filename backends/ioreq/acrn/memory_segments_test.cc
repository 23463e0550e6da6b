// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/memory_segments.h"

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <cerrno>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "backends/ioreq/acrn/recording_hsm.h"
#include "backends/memory_mapper.h"
#include "core/shared_memory.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::acrn {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBase = 0xe0000000;

class MemorySegmentsTest : public ::testing::Test {
 protected:
  auto Map(MemoryAccess access = MemoryAccess::kReadWrite) {
    return segments_.Map(kBase, memory(), access);
  }
  std::string MapError(uint64_t base, const SharedMemory& memory) {
    const auto segment = segments_.Map(base, memory, MemoryAccess::kReadWrite);
    EXPECT_TRUE(absl::IsInvalidArgument(segment.status())) << segment.status();
    return std::string(segment.status().message());
  }
  SharedMemory memory() { return {data_, 2 * kPage}; }

  alignas(kPage) uint8_t data_[2 * kPage] = {};
  RecordingHsm hsm_;
  MemorySegments segments_{hsm_};
};

// The guest sees the memory, write-back cached, until the registration goes.
// The kernel takes away only what is called MMIO, and of it looks at the place.
TEST_F(MemorySegmentsTest, MapsAndUnmaps) {
  auto segment = Map();
  ASSERT_TRUE(segment.ok()) << segment.status();
  auto set = hsm_.TakeSet();
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].type, uint32_t{ACRN_MEMMAP_RAM});
  EXPECT_EQ(set[0].attr,
            ACRN_MEM_TYPE_WB | ACRN_MEM_ACCESS_READ | ACRN_MEM_ACCESS_WRITE);
  EXPECT_EQ(set[0].user_vm_pa, kBase);
  EXPECT_EQ(set[0].vma_base, reinterpret_cast<uint64_t>(data_));
  EXPECT_EQ(set[0].len, 2 * kPage);
  *segment = nullptr;
  const auto unset = hsm_.TakeUnset();
  ASSERT_EQ(unset.size(), 1u);
  EXPECT_EQ(unset[0].type, uint32_t{ACRN_MEMMAP_MMIO});
  EXPECT_EQ(unset[0].user_vm_pa, kBase);
  EXPECT_EQ(unset[0].len, 2 * kPage);
  EXPECT_THAT(hsm_.TakeSet(), IsEmpty());
}

// Read-only memory is not writable.
TEST_F(MemorySegmentsTest, MapsReadOnly) {
  const auto segment = Map(MemoryAccess::kReadOnly);
  const auto set = hsm_.TakeSet();
  ASSERT_EQ(set.size(), 1u);
  EXPECT_EQ(set[0].attr, ACRN_MEM_TYPE_WB | ACRN_MEM_ACCESS_READ);
}

// What does not lie on page boundaries, or is nothing, is refused: the error
// names the field.
TEST_F(MemorySegmentsTest, ErrorsNameTheField) {
  EXPECT_EQ(MapError(kBase + 0x800, memory()),
            "guest-physical address: expected a multiple of the page size, "
            "4096, as ACRN maps only whole pages; got 0xe0000800");
  EXPECT_THAT(MapError(kBase, {data_, kPage + 16}),
              AllOf(HasSubstr("memory.size: "), HasSubstr("got 0x1010")));
  EXPECT_THAT(MapError(kBase, {data_ + 16, kPage}), HasSubstr("memory.data: "));
  EXPECT_EQ(MapError(kBase, {data_, 0}), "memory.size: expected some, got 0");
  EXPECT_THAT(hsm_.TakeRequests(), IsEmpty());
}

// The VM's mappings are used up: nothing is mapped, nothing is taken away.
TEST_F(MemorySegmentsTest, NoRoom) {
  hsm_.Answer(ACRN_IOCTL_SET_MEMSEG, -ENOMEM);
  const auto segment = Map();
  EXPECT_TRUE(absl::IsResourceExhausted(segment.status())) << segment.status();
  EXPECT_THAT(segment.status().message(),
              HasSubstr("mapping 0x2000 bytes at 0xe0000000"));
  EXPECT_THAT(hsm_.TakeUnset(), IsEmpty());
}

// Registrations may outlive the object.
TEST_F(MemorySegmentsTest, RegistrationsOutliveIt) {
  std::optional<MemorySegments> segments(std::in_place, hsm_);
  auto segment = segments->Map(kBase, memory(), MemoryAccess::kReadWrite);
  segments.reset();
  EXPECT_THAT(hsm_.TakeUnset(), IsEmpty());
  *segment = nullptr;
  EXPECT_EQ(hsm_.TakeUnset().size(), 1u);
}

}  // namespace
}  // namespace ivshmem::acrn
