// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What QEMU's own tests of its ivshmem device look at, from a description of
// them, with this project's device in a QEMU that has no part of it
// (qemu_vfio_user_test.cc says which).

#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bus/pci/registers.h"
#include "core/doorbell.h"
#include "core/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/server_process.h"
#include "testing/interop/vfio_guest.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/qemu.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kSize = 1 << 20;

// Each byte another than the same byte of the other's and than its neighbours.
std::vector<uint8_t> Pattern(uint32_t seed) {
  std::vector<uint8_t> bytes(kSize);
  uint32_t state = seed;
  for (uint8_t& byte : bytes) {
    state = state * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(state >> 24);
  }
  return bytes;
}

std::vector<uint8_t> Inverse(std::vector<uint8_t> bytes) {
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(~byte);
  return bytes;
}

class QemuVfioUser : public ::testing::Test {
 protected:
  void SetUp() override {
    if (VfioGuest::Program().empty()) {
      GTEST_SKIP() << "QEMU_VFIO_USER is not set: it names a "
                      "qemu-system-x86_64 from 10.1 on";
    }
    Begin();
  }
  virtual void Begin() = 0;
};

// --- single: a device without a server, on a file --------------------------

class QemuVfioUserSingle : public QemuVfioUser {
 protected:
  void Begin() override {
    ASSERT_NO_FATAL_FAILURE(devices_.Start());
    guest_ = VfioGuest::Start(devices_.socket(0));
    ASSERT_NE(guest_, nullptr);
  }
  uint64_t Read(uint64_t offset) { return guest_->device().Read(offset); }
  void Write(uint64_t offset, uint64_t value) {
    guest_->device().Write(offset, value);
  }

  DeviceProcess devices_{1, {"--memory", "%d/memory", "--size", "1M"}};
  std::unique_ptr<VfioGuest> guest_;
};

// It has no interrupts, as one without a server.
TEST_F(QemuVfioUserSingle, HasNoInterrupts) {
  EXPECT_EQ(guest_->device().msix().vectors(), 0);
  EXPECT_EQ(guest_->device().function().ProbeBar(1).size, 0u);
  EXPECT_EQ(guest_->device().function().Config(1, 0x3d), 0u);
  EXPECT_EQ(guest_->device().function().Config(4, pci::kVendorId), 0x11101af4u);
}

// At reset nothing is masked in, nothing is pending, and the id is 0.
TEST_F(QemuVfioUserSingle, RegistersAtReset) {
  for (const uint64_t offset :
       {kMaskOffset, kStatusOffset, kPositionOffset, kDoorbellOffset}) {
    EXPECT_EQ(Read(offset), 0u) << offset;
  }
}

// Mask keeps what is written.
TEST_F(QemuVfioUserSingle, MaskStays) {
  Write(kMaskOffset, 0xffffffff);
  EXPECT_EQ(Read(kMaskOffset), 0xffffffffu);
  EXPECT_EQ(Read(kMaskOffset), 0xffffffffu);
  EXPECT_EQ(Read(kStatusOffset), 0u);
  Write(kMaskOffset, 0);
  EXPECT_EQ(Read(kMaskOffset), 0u);
}

// Status does until it is read.
TEST_F(QemuVfioUserSingle, StatusIsClearedByReading) {
  Write(kStatusOffset, 0x1);
  EXPECT_EQ(Read(kStatusOffset), 0x1u);
  EXPECT_EQ(Read(kStatusOffset), 0u);
}

// A write of the id changes nothing.
TEST_F(QemuVfioUserSingle, TheIdIsNotWritten) {
  Write(kPositionOffset, 0xffffffff);
  EXPECT_EQ(Read(kPositionOffset), 0u);
}

// Nor does the doorbell of nobody.
TEST_F(QemuVfioUserSingle, TheDoorbellOfNobodyDoesNoHarm) {
  for (const uint32_t value : {0u, 1u, 0x10000u, 0xffff0001u, 0xffffffffu}) {
    Write(kDoorbellOffset, value);
  }
  EXPECT_EQ(Read(kDoorbellOffset), 0u);
  EXPECT_EQ(Read(kStatusOffset), 0u);
  EXPECT_EQ(Read(kMaskOffset), 0u);
}

// The memory is zeros at first.
TEST_F(QemuVfioUserSingle, TheMemoryIsZeros) {
  EXPECT_TRUE(guest_->device().ReadMemory(0, kSize) ==
              std::vector<uint8_t>(kSize));
}

// What is written there is read back, and is in the file, every byte.
TEST_F(QemuVfioUserSingle, TheMemoryIsTheFile) {
  const std::vector<uint8_t> bytes = Pattern(1);
  guest_->device().WriteMemory(0, bytes);
  EXPECT_TRUE(guest_->device().ReadMemory(0, kSize) == bytes);
  std::ifstream file(devices_.File("memory"), std::ios::binary);
  const std::vector<uint8_t> outside{std::istreambuf_iterator<char>(file),
                                     std::istreambuf_iterator<char>()};
  EXPECT_TRUE(outside == bytes);
}

// --- memory backends --------------------------------------------------------

// QEMU's own device has the same file as a memory backend: every byte that one
// writes the other reads, both ways.
TEST_F(QemuVfioUserSingle, SharesTheFileWithQemusOwnDevice) {
  const auto qemu = qemu::Qemu::Start(
      {.arguments = {"-object",
                     absl::StrCat("memory-backend-file,id=memory,share=on,",
                                  "size=1M,mem-path=", devices_.File("memory")),
                     "-device", "ivshmem-plain,memdev=memory,addr=4"}});
  ASSERT_TRUE(qemu.ok()) << qemu.status();
  const auto own = qemu::IvshmemDevice::SetUp((*qemu)->qtest());
  ASSERT_NE(own, nullptr);
  const std::vector<uint8_t> bytes = Pattern(2);
  guest_->device().WriteMemory(0, bytes);
  EXPECT_TRUE(own->ReadMemory(0, kSize) == bytes);
  own->WriteMemory(0, Inverse(bytes));
  EXPECT_TRUE(guest_->device().ReadMemory(0, kSize) == Inverse(bytes));
}

// Where the machine's RAM is a shared backend, its descriptors come with the
// maps of it; it changes nothing.
TEST_F(QemuVfioUserSingle, TakesTheDescriptorsOfTheRam) {
  ASSERT_TRUE(guest_->qemu().Quit().ok());
  guest_ = VfioGuest::Start(
      devices_.socket(0),
      {"-object", "memory-backend-memfd,id=ram,size=16M,share=on", "-machine",
       "memory-backend=ram"});
  ASSERT_NE(guest_, nullptr);
  Write(kMaskOffset, 0x1234);
  EXPECT_EQ(Read(kMaskOffset), 0x1234u);
  guest_->device().WriteMemory(kSize - 2, {1, 2});
  EXPECT_THAT(guest_->device().ReadMemory(kSize - 2, 2), ElementsAre(1, 2));
}

// --- pair: two devices of one process on one memory --------------------------

class QemuVfioUserPair : public QemuVfioUser {
 protected:
  void Begin() override { ASSERT_NO_FATAL_FAILURE(devices_.Start()); }

  DeviceProcess devices_{2, {"--size", "1M"}};
};

// Every byte that one guest writes the other reads, both ways.
TEST_F(QemuVfioUserPair, EveryByteBothWays) {
  const auto a = VfioGuest::Start(devices_.socket(0));
  const auto b = VfioGuest::Start(devices_.socket(1));
  ASSERT_TRUE(a != nullptr && b != nullptr);
  EXPECT_TRUE(b->device().ReadMemory(0, kSize) == std::vector<uint8_t>(kSize));
  uint32_t seed = 0;
  for (const auto& [from, to] :
       {std::pair(a.get(), b.get()), std::pair(b.get(), a.get())}) {
    const std::vector<uint8_t> bytes = Pattern(++seed);
    from->device().WriteMemory(0, bytes);
    EXPECT_TRUE(to->device().ReadMemory(0, kSize) == bytes);
    from->device().WriteMemory(0, Inverse(bytes));
    EXPECT_TRUE(to->device().ReadMemory(0, kSize) == Inverse(bytes));
  }
}

// --- server: two devices on a real one ---------------------------------------

class QemuVfioUserServer : public QemuVfioUser {
 protected:
  static constexpr int kVectors = 2;

  void Begin() override { guests_.Start(); }

  TwoVfioGuests guests_{kVectors};
  std::unique_ptr<VfioGuest>& a_ = guests_.a;
  std::unique_ptr<VfioGuest>& b_ = guests_.b;
};

// Two guests have different ids, and two vectors.
TEST_F(QemuVfioUserServer, IdsDiffer) {
  EXPECT_NE(a_->id(), b_->id());
  EXPECT_EQ(a_->device().msix().vectors(), kVectors);
  EXPECT_EQ(b_->device().msix().vectors(), kVectors);
}

// Nothing is pending that nobody rang.
TEST_F(QemuVfioUserServer, NothingIsPendingAtFirst) {
  EXPECT_THAT(a_->device().Pending(), IsEmpty());
  EXPECT_THAT(b_->device().Pending(), IsEmpty());
}

// Each vector that one rings is soon pending at the other, and nowhere else.
TEST_F(QemuVfioUserServer, ARingIsPendingAtTheOther) {
  a_->Ring(b_->id(), 0);
  ASSERT_TRUE(b_->device().PendingWithin(0, kPatience));
  EXPECT_THAT(b_->device().Pending(), ElementsAre(0));
  EXPECT_THAT(a_->device().Pending(), IsEmpty());
  b_->Ring(a_->id(), 1);
  ASSERT_TRUE(a_->device().PendingWithin(1, kPatience));
  EXPECT_THAT(a_->device().Pending(), ElementsAre(1));
  EXPECT_THAT(b_->device().Pending(), ElementsAre(0));
}

// Both vectors can be pending; one that is unmasked is let out, and the other
// stays.
TEST_F(QemuVfioUserServer, AnUnmaskedVectorIsLetOut) {
  a_->Ring(b_->id(), 0);
  a_->Ring(b_->id(), 1);
  ASSERT_TRUE(b_->device().PendingWithin(1, kPatience));
  EXPECT_THAT(b_->device().Pending(), ElementsAre(0, 1));
  EXPECT_TRUE(b_->Hears(1));
  EXPECT_THAT(b_->device().Pending(), ElementsAre(0));
  EXPECT_TRUE(b_->Hears(0));
  EXPECT_THAT(b_->device().Pending(), IsEmpty());
  EXPECT_TRUE(b_->HearsNothing());
}

// While the function is masked nothing is let out; then all is.
TEST_F(QemuVfioUserServer, TheFunctionMaskHoldsAll) {
  b_->device().msix().SetControl(/*enable=*/true, /*function_mask=*/true);
  a_->Ring(b_->id(), 0);
  ASSERT_TRUE(b_->device().PendingWithin(0, kPatience));
  EXPECT_FALSE(b_->device().Take(0));
  EXPECT_FALSE(b_->device().Take(0));
  b_->device().msix().SetControl(/*enable=*/true, /*function_mask=*/false);
  EXPECT_TRUE(b_->Hears(0));
}

}  // namespace
}  // namespace ivshmem
