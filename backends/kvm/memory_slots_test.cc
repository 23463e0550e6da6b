// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/memory_slots.h"

#include <linux/kvm.h>

#include <cerrno>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/dirty_log.h"
#include "backends/kvm/recording_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kPage = 4096;
constexpr uint64_t kBase = 0xe0000000;
constexpr uint32_t kFirst = 7;

auto IsRegion(uint32_t slot, uint32_t flags, uint64_t base, uint64_t size,
              const void* data) {
  using Region = kvm_userspace_memory_region;
  return AllOf(Field("slot", &Region::slot, slot),
               Field("flags", &Region::flags, flags),
               Field("guest_phys_addr", &Region::guest_phys_addr, base),
               Field("memory_size", &Region::memory_size, size),
               Field("userspace_addr", &Region::userspace_addr,
                     reinterpret_cast<uint64_t>(data)));
}

// A slot of no bytes is one that is taken away.
auto IsRemoval(uint32_t slot) {
  using Region = kvm_userspace_memory_region;
  return AllOf(Field("slot", &Region::slot, slot),
               Field("memory_size", &Region::memory_size, uint64_t{0}));
}

class MemorySlotsTest : public ::testing::Test {
 protected:
  static RecordingVm WithReadOnlyMemory() {
    RecordingVm vm;
    vm.SetExtension(KVM_CAP_READONLY_MEM, 1);
    return vm;
  }

  absl::StatusOr<RegistrationPtr> Map(
      uint64_t base = kBase, MemoryAccess access = MemoryAccess::kReadWrite) {
    return slots_.Map(base, memory(), access);
  }
  std::string MapError(uint64_t base, const SharedMemory& memory) {
    const auto slot = slots_.Map(base, memory, MemoryAccess::kReadWrite);
    EXPECT_TRUE(absl::IsInvalidArgument(slot.status())) << slot.status();
    return std::string(slot.status().message());
  }
  SharedMemory memory() { return {data_, 2 * kPage}; }

  alignas(kPage) uint8_t data_[2 * kPage] = {};
  RecordingVm vm_ = WithReadOnlyMemory();
  SlotRange numbers_{kFirst, 2};
  MemorySlots slots_{vm_, numbers_};
};

// The guest sees the memory at the address until the registration goes.
TEST_F(MemorySlotsTest, MapsAndUnmaps) {
  auto slot = Map();
  ASSERT_TRUE(slot.ok()) << slot.status();
  EXPECT_THAT(vm_.TakeRegions(),
              ElementsAre(IsRegion(kFirst, 0, kBase, 2 * kPage, data_)));
  *slot = nullptr;
  EXPECT_THAT(vm_.TakeRegions(), ElementsAre(IsRemoval(kFirst)));
}

// Read-only memory says so to the kernel.
TEST_F(MemorySlotsTest, MapsReadOnly) {
  const auto slot = Map(kBase, MemoryAccess::kReadOnly);
  ASSERT_TRUE(slot.ok()) << slot.status();
  EXPECT_THAT(
      vm_.TakeRegions(),
      ElementsAre(IsRegion(kFirst, KVM_MEM_READONLY, kBase, 2 * kPage, data_)));
}

// Where KVM has no read-only memory, none is mapped: writable memory would be a
// lie. Writable memory is mapped as ever.
TEST_F(MemorySlotsTest, ReadOnlyNeedsTheCapability) {
  RecordingVm vm;
  MemorySlots slots(vm, numbers_);
  EXPECT_TRUE(absl::IsUnimplemented(
      slots.Map(kBase, memory(), MemoryAccess::kReadOnly).status()));
  EXPECT_THAT(vm.TakeRegions(), IsEmpty());
  EXPECT_TRUE(slots.Map(kBase, memory(), MemoryAccess::kReadWrite).ok());
  EXPECT_EQ(*numbers_.Take(), kFirst) << "no number was lost";
}

// What does not lie on page boundaries is refused: the error names the field.
TEST_F(MemorySlotsTest, AlignmentErrorsNameTheField) {
  EXPECT_EQ(MapError(kBase + 0x800, memory()),
            "guest-physical address: expected a multiple of the page size, "
            "4096, as KVM maps only whole pages; got 0xe0000800");
  EXPECT_THAT(MapError(kBase, {data_, kPage + 16}),
              AllOf(HasSubstr("memory.size: "), HasSubstr("got 0x1010")));
  EXPECT_THAT(MapError(kBase, {data_ + 16, kPage}), HasSubstr("memory.data: "));
  EXPECT_THAT(vm_.TakeRegions(), IsEmpty());
}

// When the kernel refuses, nothing is mapped, and the number is free again.
TEST_F(MemorySlotsTest, ARefusedSlotsNumberIsGivenBack) {
  vm_.Answer(KVM_SET_USER_MEMORY_REGION, -EEXIST);
  const auto refused = Map();
  EXPECT_TRUE(absl::IsAlreadyExists(refused.status())) << refused.status();
  EXPECT_THAT(refused.status().message(),
              HasSubstr("mapping 0x2000 bytes at 0xe0000000 in slot 7"));
  vm_.TakeRegions();
  const auto slot = Map();
  EXPECT_THAT(vm_.TakeRegions(),
              ElementsAre(IsRegion(kFirst, 0, kBase, 2 * kPage, data_)));
}

// No number is left: the kernel is not asked.
TEST_F(MemorySlotsTest, NoNumberIsLeft) {
  const auto first = Map();
  const auto second = Map(kBase + 0x10000);
  vm_.TakeRegions();
  const auto third = Map(kBase + 0x20000);
  EXPECT_TRUE(absl::IsResourceExhausted(third.status()));
  EXPECT_EQ(third.status().message(),
            "all 2 memory slots from 7 on are in use");
  EXPECT_THAT(vm_.TakeRegions(), IsEmpty());
}

// A slot that the kernel does not take away keeps its number, and is tried
// again before the next mapping, until it goes.
TEST_F(MemorySlotsTest, AStuckSlotIsTriedAgain) {
  auto stuck = Map();
  vm_.TakeRegions();
  vm_.Answer(KVM_SET_USER_MEMORY_REGION, -ENOMEM);
  vm_.Answer(KVM_SET_USER_MEMORY_REGION, -ENOMEM);
  *stuck = nullptr;
  EXPECT_THAT(vm_.TakeRegions(), ElementsAre(IsRemoval(kFirst)));

  auto second = Map();
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_THAT(vm_.TakeRegions(),
              ElementsAre(IsRemoval(kFirst),
                          IsRegion(kFirst + 1, 0, kBase, 2 * kPage, data_)))
      << "its number is not given to anybody";

  const auto third = Map(kBase + 0x10000);
  ASSERT_TRUE(third.ok()) << third.status();
  EXPECT_THAT(
      vm_.TakeRegions(),
      ElementsAre(IsRemoval(kFirst),
                  IsRegion(kFirst, 0, kBase + 0x10000, 2 * kPage, data_)))
      << "it has gone, and its number is free";

  *second = nullptr;
  const auto fourth = Map();
  EXPECT_THAT(vm_.TakeRegions(),
              ElementsAre(IsRemoval(kFirst + 1),
                          IsRegion(kFirst + 1, 0, kBase, 2 * kPage, data_)))
      << "what has gone is not taken away a second time";
}

class DirtyLogTest : public MemorySlotsTest {
 protected:
  using Part = std::pair<uint64_t, uint64_t>;

  DirtyLog& log() { return *slots_.dirty_log(); }
  absl::StatusOr<std::vector<Part>> Take() {
    std::vector<Part> parts;
    const absl::Status status =
        log().Take(memory(), [&](uint64_t offset, uint64_t size) {
          parts.emplace_back(offset, size);
        });
    if (!status.ok()) return status;
    return parts;
  }
  std::vector<uint32_t> TakeFlags() {
    std::vector<uint32_t> flags;
    for (const auto& region : vm_.TakeRegions()) flags.push_back(region.flags);
    return flags;
  }
};

// Memory that is mapped already is logged from Start() to Stop(), once each.
TEST_F(DirtyLogTest, OfMappedMemory) {
  const auto slot = Map();
  const auto again = Map(kBase + 0x10000);
  TakeFlags();
  ASSERT_TRUE(log().Start(memory()).ok());
  EXPECT_THAT(TakeFlags(),
              ElementsAre(KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_LOG_DIRTY_PAGES));
  EXPECT_THAT(*Take(), IsEmpty());
  vm_.SetDirty(kFirst, 0b10);
  EXPECT_THAT(*Take(), ElementsAre(Part(kPage, kPage)));
  EXPECT_THAT(*Take(), IsEmpty());
  vm_.SetDirty(kFirst, 0b10);
  vm_.SetDirty(kFirst + 1, 0b11);
  EXPECT_THAT(*Take(), ElementsAre(Part(0, kPage), Part(kPage, kPage)));
  log().Stop(memory());
  EXPECT_THAT(TakeFlags(), ElementsAre(0, 0));
  EXPECT_TRUE(absl::IsFailedPrecondition(Take().status()));
  log().Stop(memory());
  EXPECT_THAT(TakeFlags(), IsEmpty());
}

// So is what is mapped later; other memory is not, nor is what no guest writes.
TEST_F(DirtyLogTest, OfWhatIsMappedLater) {
  alignas(kPage) static uint8_t other[kPage];
  ASSERT_TRUE(log().Start(memory()).ok());
  const auto slot = Map();
  EXPECT_THAT(TakeFlags(), ElementsAre(KVM_MEM_LOG_DIRTY_PAGES));
  const auto others =
      slots_.Map(kBase + 0x10000, {other, kPage}, MemoryAccess::kReadWrite);
  EXPECT_THAT(TakeFlags(), ElementsAre(0));
  EXPECT_TRUE(absl::IsFailedPrecondition(
      log().Take({other, kPage}, [](uint64_t, uint64_t) {})));
}

TEST_F(DirtyLogTest, NotOfReadOnlyMemory) {
  const auto slot = Map(kBase, MemoryAccess::kReadOnly);
  TakeFlags();
  ASSERT_TRUE(log().Start(memory()).ok());
  const auto later = Map(kBase + 0x10000, MemoryAccess::kReadOnly);
  EXPECT_THAT(TakeFlags(), ElementsAre(KVM_MEM_READONLY));
  vm_.SetDirty(kFirst, 0b1);
  EXPECT_THAT(*Take(), IsEmpty());
}

// What is unmapped while it is logged counts as written, once.
TEST_F(DirtyLogTest, WhatIsUnmapped) {
  auto slot = Map();
  ASSERT_TRUE(log().Start(memory()).ok());
  *slot = nullptr;
  EXPECT_THAT(*Take(), ElementsAre(Part(0, 2 * kPage)));
  EXPECT_THAT(*Take(), IsEmpty());
}

// A slot that the kernel does not take away is still the guest's to write.
TEST_F(DirtyLogTest, WhatIsStuck) {
  auto slot = Map();
  ASSERT_TRUE(log().Start(memory()).ok());
  vm_.Answer(KVM_SET_USER_MEMORY_REGION, -ENOMEM);
  *slot = nullptr;
  vm_.SetDirty(kFirst, 0b1);
  EXPECT_THAT(*Take(), ElementsAre(Part(0, kPage)));
}

// When the kernel does not log, nothing is logged; when it does not tell, it is
// asked again, and what it has told is not forgotten.
TEST_F(DirtyLogTest, TheKernelRefuses) {
  const auto slot = Map();
  const auto again = Map(kBase + 0x10000);
  TakeFlags();
  vm_.Answer(KVM_SET_USER_MEMORY_REGION, 0);
  vm_.Answer(KVM_SET_USER_MEMORY_REGION, -ENOMEM);
  EXPECT_TRUE(absl::IsResourceExhausted(log().Start(memory())));
  EXPECT_THAT(TakeFlags(),
              ElementsAre(KVM_MEM_LOG_DIRTY_PAGES, KVM_MEM_LOG_DIRTY_PAGES, 0));
  EXPECT_TRUE(absl::IsFailedPrecondition(Take().status()));
  ASSERT_TRUE(log().Start(memory()).ok());
  vm_.SetDirty(kFirst, 0b1);
  vm_.SetDirty(kFirst + 1, 0b10);
  // The first is told of, by the kernel's grace; the second is not.
  const auto failing = [&] {
    vm_.FailAfter(KVM_GET_DIRTY_LOG, 1, -EFAULT);
    return Take().status();
  };
  EXPECT_FALSE(failing().ok());
  EXPECT_THAT(*Take(), ElementsAre(Part(0, kPage), Part(kPage, kPage)));
}

// Registrations may outlive the object.
TEST_F(MemorySlotsTest, RegistrationsOutliveIt) {
  std::optional<MemorySlots> slots(std::in_place, vm_, numbers_);
  auto slot = slots->Map(kBase, memory(), MemoryAccess::kReadWrite);
  slots.reset();
  vm_.TakeRegions();
  *slot = nullptr;
  EXPECT_THAT(vm_.TakeRegions(), ElementsAre(IsRemoval(kFirst)));
  EXPECT_EQ(*numbers_.Take(), kFirst);
}

// Numbers: the lowest free one, none twice, all of the range and no other.
RC_GTEST_PROP(SlotRangeModel, DoesWhatASetDoes, ()) {
  const auto first = *rc::gen::inRange<uint32_t>(0, 1000);
  const auto count = *rc::gen::inRange<uint32_t>(0, 6);
  SlotRange range(first, count);
  std::set<uint32_t> free;
  for (uint32_t i = 0; i < count; ++i) free.insert(first + i);
  std::set<uint32_t> taken;
  for (int step = *rc::gen::inRange(0, 60); step > 0; --step) {
    if (!taken.empty() && *rc::gen::arbitrary<bool>()) {
      const uint32_t slot = *rc::gen::elementOf(taken);
      taken.erase(slot);
      free.insert(slot);
      range.Give(slot);
      continue;
    }
    const absl::StatusOr<uint32_t> slot = range.Take();
    RC_ASSERT(slot.ok() == !free.empty());
    if (!slot.ok()) {
      RC_ASSERT(absl::IsResourceExhausted(slot.status()));
      continue;
    }
    RC_ASSERT(*slot == *free.begin());
    taken.insert(*slot);
    free.erase(*slot);
  }
}

}  // namespace
}  // namespace ivshmem::kvm
