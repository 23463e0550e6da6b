// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Our device in a real QEMU that has no part of it: by vfio-user, on our
// server, together with QEMU's own ivshmem-doorbell. Needs a QEMU from 10.1 on,
// which QEMU_VFIO_USER names.

#include <cstdint>
#include <memory>

#include "core/doorbell.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"
#include "testing/interop/vfio_guest.h"
#include "testing/qemu/ivshmem_device.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;

constexpr int kVectors = 3;
constexpr uint64_t kSize = 1 << 20;

class QemuVfioUser : public ::testing::Test {
 protected:
  void SetUp() override {
    if (VfioGuest::Program().empty()) {
      GTEST_SKIP() << "QEMU_VFIO_USER is not set: it names a "
                      "qemu-system-x86_64 from 10.1 on";
    }
    ASSERT_NO_FATAL_FAILURE(guests_.Start());
  }

  TwoVfioGuests guests_{kVectors};
  ServerProcess& server_ = guests_.server;
  DeviceProcess& devices_ = guests_.devices;
  std::unique_ptr<VfioGuest>& a_ = guests_.a;
  std::unique_ptr<VfioGuest>& b_ = guests_.b;
};

// What a guest finds on its bus.
TEST_F(QemuVfioUser, AGuestFindsTheDevice) {
  EXPECT_EQ(a_->id(), 0);
  EXPECT_EQ(b_->id(), 1);
  EXPECT_EQ(a_->device().function().ProbeBar(0).size, 256u);
  EXPECT_EQ(a_->device().function().ProbeBar(1).size, 4096u);
  EXPECT_EQ(a_->device().function().ProbeBar(2).size, kSize);
  EXPECT_EQ(a_->device().msix().vectors(), kVectors);
  EXPECT_EQ(a_->device().function().Config(4, 0x2c), 0x11001af4u);
}

// Each rings each vector of the other, which alone hears it.
TEST_F(QemuVfioUser, GuestsRingEachOther) {
  for (int round = 0; round < 3; ++round) {
    for (Vector vector = 0; vector < kVectors; ++vector) {
      a_->Ring(b_->id(), vector);
      EXPECT_TRUE(b_->Hears(vector)) << vector;
      EXPECT_TRUE(a_->HearsNothing());
      EXPECT_TRUE(b_->HearsNothing());
      b_->Ring(a_->id(), vector);
      EXPECT_TRUE(a_->Hears(vector)) << vector;
      EXPECT_TRUE(b_->HearsNothing());
    }
  }
  // Who is not there, and oneself.
  a_->Ring(99, 0);
  a_->Ring(a_->id(), 1);
  EXPECT_TRUE(a_->Hears(1));
}

// A masked vector shows in the PBA before it was ever unmasked.
TEST_F(QemuVfioUser, WhatIsHeldShowsInThePba) {
  a_->Ring(b_->id(), 2);
  EXPECT_TRUE(b_->device().PendingWithin(2, kPatience));
  EXPECT_THAT(b_->device().Pending(), ElementsAre(2));
  EXPECT_TRUE(b_->Hears(2));
  EXPECT_TRUE(b_->device().Pending().empty());
}

// Both map the memory, and QEMU's own device has the same.
TEST_F(QemuVfioUser, GuestsShareTheMemory) {
  a_->device().WriteMemory(0, {1, 2, 3});
  b_->device().WriteMemory(kSize - 1, {4});
  EXPECT_THAT(b_->device().ReadMemory(0, 4), ElementsAre(1, 2, 3, 0));
  EXPECT_THAT(a_->device().ReadMemory(kSize - 2, 2), ElementsAre(0, 4));
}

// QEMU's own ivshmem-doorbell is a peer as any other.
TEST_F(QemuVfioUser, TogetherWithQemusOwnDevice) {
  const auto own = QemuGuest::Join(server_.socket_path(), kVectors);
  ASSERT_NE(own, nullptr);
  EXPECT_EQ(own->id(), 2);
  for (VfioGuest* ours : {a_.get(), b_.get()}) {
    ASSERT_TRUE(own->RingUntil(ours->id(), kVectors - 1,
                               [&] { return ours->device().Take(2); }));
    ours->HearsNothing();
    for (Vector vector = 0; vector < kVectors; ++vector) {
      own->Ring(ours->id(), vector);
      EXPECT_TRUE(ours->Hears(vector)) << vector;
      ours->Ring(own->id(), vector);
      EXPECT_TRUE(own->Hears(vector)) << vector;
    }
  }
  own->device().WriteMemory(64, {7, 8});
  EXPECT_THAT(a_->device().ReadMemory(64, 2), ElementsAre(7, 8));
  b_->device().WriteMemory(128, {9});
  EXPECT_THAT(own->device().ReadMemory(128, 1), ElementsAre(9));
}

// The machine's reset is the device's: registers are forgotten, the memory is
// not, and a driver that comes again is heard.
TEST_F(QemuVfioUser, TheMachineIsReset) {
  a_->device().Write(0, 0x1234);
  EXPECT_EQ(a_->device().Read(0), 0x1234u);
  a_->device().WriteMemory(0, {5});
  ASSERT_TRUE(a_->qemu().qmp().Execute("system_reset").ok());
  ASSERT_TRUE(a_->qemu().qmp().WaitFor("RESET").ok());
  const auto again = qemu::IvshmemDevice::SetUp(a_->qemu().qtest());
  ASSERT_NE(again, nullptr);
  EXPECT_EQ(again->Read(0), 0u);
  EXPECT_EQ(again->Position(), 0u);
  EXPECT_THAT(again->ReadMemory(0, 1), ElementsAre(5));
  b_->Ring(0, 1);
  EXPECT_TRUE(again->PendingWithin(1, kPatience));
  EXPECT_TRUE(a_->Hears(1));
}

// A QEMU that is killed leaves the device where it is: the next one has its id
// and its peers.
TEST_F(QemuVfioUser, OneIsKilledAndComesBack) {
  for (int round = 0; round < 3; ++round) {
    b_->qemu().Kill();
    b_ = VfioGuest::Start(devices_.socket(1));
    ASSERT_NE(b_, nullptr);
    EXPECT_EQ(b_->id(), 1);
    a_->Ring(1, 0);
    EXPECT_TRUE(b_->Hears(0));
    b_->Ring(0, 2);
    EXPECT_TRUE(a_->Hears(2));
  }
}

// QEMU outlives the device's process, and the devices end in order.
TEST_F(QemuVfioUser, TheDevicesEnd) {
  a_->device().WriteMemory(0, {1});
  ASSERT_NO_FATAL_FAILURE(devices_.Stop());
  EXPECT_EQ(a_->device().Position(), 0xffffffffu);
  EXPECT_THAT(b_->device().ReadMemory(0, 2), ElementsAre(1, 0));
  EXPECT_TRUE(a_->qemu().Quit().ok());
}

}  // namespace
}  // namespace ivshmem
