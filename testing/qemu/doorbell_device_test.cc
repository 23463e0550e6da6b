// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <fcntl.h>

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/unique_fd.h"
#include "bus/pci/registers.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/qemu/arguments.h"
#include "testing/qemu/ivshmem_device.h"
#include "testing/qemu/qemu.h"
#include "testing/qemu/server_end.h"

// What QEMU's ivshmem-doorbell does with what a server says, measured: a
// scripted server, so nothing of this project's is between them.
namespace ivshmem::qemu {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kSize = 1 << 20;
constexpr absl::Duration kPatience = absl::Seconds(30);
constexpr PeerId kOwn = 3;
constexpr PeerId kPeer = 9;

// With and without QEMU's shortcut from a doorbell write to the eventfd.
class DoorbellDeviceTest : public ::testing::TestWithParam<bool> {
 protected:
  // A device with `vectors` vectors, which the server gives it all, and a peer
  // with two that was there before.
  void Start(int vectors) {
    server_.Greet(kOwn, memory_.get());
    peer_ = server_.Connect(kPeer, 2);
    own_ = server_.Connect(kOwn, vectors);
    absl::StatusOr<std::unique_ptr<Qemu>> qemu = Qemu::Start(
        {.arguments = Arguments(DoorbellDevice{.socket_fd = server_.client(),
                                               .vectors = vectors,
                                               .ioeventfd = GetParam()}),
         .inherit = {server_.client()}});
    ASSERT_TRUE(qemu.ok()) << qemu.status();
    qemu_ = *std::move(qemu);
    server_.DropClient();
    device_ = IvshmemDevice::SetUp(qemu_->qtest());
    ASSERT_NE(device_, nullptr);
    // What follows the memory is read when the main loop gets to it, one
    // message each turn.
    Settle(vectors + 2);
  }

  void Settle(int messages) {
    for (int i = 0; i < messages; ++i) qemu_->qtest().Settle();
  }

  const UniqueFd memory_ = MakeMemory(kSize);
  ServerEnd server_;
  std::vector<UniqueFd> own_;
  std::vector<UniqueFd> peer_;
  std::unique_ptr<Qemu> qemu_;
  std::unique_ptr<IvshmemDevice> device_;
};

INSTANTIATE_TEST_SUITE_P(Ioeventfd, DoorbellDeviceTest, ::testing::Bool());

TEST_P(DoorbellDeviceTest, HasItsIdAndVectors) {
  Start(2);
  EXPECT_EQ(device_->Position(), kOwn);
  EXPECT_EQ(device_->msix().vectors(), 2);
  EXPECT_EQ(device_->function().ProbeBar(1).size, 0x1000);
  EXPECT_EQ(device_->msix().Get(1).control, 1);
  EXPECT_THAT(device_->Pending(), IsEmpty());
}

// A write to the doorbell signals that vector of that peer and no other.
TEST_P(DoorbellDeviceTest, RingsAPeer) {
  Start(2);
  device_->Ring(kPeer, 1);
  EXPECT_EQ(TakeKicks(peer_[1]), 1);
  EXPECT_EQ(TakeKicks(peer_[0]), 0);
  device_->Ring(kPeer, 0);
  device_->Ring(kPeer, 0);
  EXPECT_EQ(TakeKicks(peer_[0]), 2);
  device_->Ring(kPeer, 2);
  device_->Ring(kPeer + 1, 0);
  EXPECT_EQ(TakeKicks(peer_[0]) + TakeKicks(peer_[1]), 0);
}

// What a peer has beyond the device's own number of vectors is closed, so it
// cannot be rung. QEMU has made it blocking before, for all who share it: who
// drains such an event must not rely on the flag.
TEST_P(DoorbellDeviceTest, ClosesWhatAPeerHasMore) {
  Start(1);
  EXPECT_EQ(fcntl(peer_[0].get(), F_GETFL) & O_NONBLOCK, O_NONBLOCK);
  EXPECT_EQ(fcntl(peer_[1].get(), F_GETFL) & O_NONBLOCK, 0);
  device_->Ring(kPeer, 1);
  EXPECT_EQ(TakeKicks(peer_[1]), 0);
}

// A vector above 255 is cut to 8 bits, so that 256 rings vector 0.
TEST_P(DoorbellDeviceTest, CutsTheVector) {
  Start(1);
  device_->Ring(kPeer, 0x100);
  EXPECT_EQ(TakeKicks(peer_[0]), 1);
}

// A kick of the device's own eventfd is an interrupt: masked, a pending bit
// that stays until the vector is unmasked. Kicks before that are one.
TEST_P(DoorbellDeviceTest, IsInterrupted) {
  Start(40);
  EXPECT_FALSE(device_->Take(39));
  Kick(own_[39]);
  Kick(own_[39]);
  EXPECT_TRUE(device_->PendingWithin(39, kPatience));
  EXPECT_THAT(device_->Pending(), ElementsAre(39));
  EXPECT_TRUE(device_->Take(39));
  EXPECT_FALSE(device_->Take(39));
  EXPECT_THAT(device_->Pending(), IsEmpty());
  EXPECT_FALSE(device_->PendingWithin(39, absl::ZeroDuration()));
  Kick(own_[0]);
  Kick(own_[32]);
  EXPECT_THAT(device_->Pending(), ElementsAre(0, 32));
}

TEST_P(DoorbellDeviceTest, RingsItself) {
  Start(2);
  device_->Ring(kOwn, 1);
  EXPECT_THAT(device_->Pending(), ElementsAre(1));
}

// Peers come and go at run time.
TEST_P(DoorbellDeviceTest, PeersComeAndGo) {
  Start(1);
  const std::vector<UniqueFd> late = server_.Connect(200, 1);
  Settle(1);
  device_->Ring(200, 0);
  EXPECT_EQ(TakeKicks(late[0]), 1);
  server_.Send(kPeer);
  Settle(1);
  device_->Ring(kPeer, 0);
  EXPECT_EQ(TakeKicks(peer_[0]), 0);
  device_->Ring(200, 0);
  EXPECT_EQ(TakeKicks(late[0]), 1);
}

// While MSI-X is off, or the function is no bus master, an interrupt is lost.
// Masked as a whole, none is.
TEST_P(DoorbellDeviceTest, WhatIsLost) {
  Start(1);
  device_->msix().SetControl(/*enable=*/false, /*function_mask=*/false);
  Kick(own_[0]);
  qemu_->qtest().Settle();
  device_->msix().SetControl(/*enable=*/true, /*function_mask=*/false);
  EXPECT_THAT(device_->Pending(), IsEmpty());
  EXPECT_FALSE(device_->Take(0));

  device_->msix().SetControl(/*enable=*/true, /*function_mask=*/true);
  device_->msix().Mask(0, false);
  Kick(own_[0]);
  EXPECT_THAT(device_->Pending(), ElementsAre(0));
  device_->msix().SetControl(/*enable=*/true, /*function_mask=*/false);
  EXPECT_THAT(device_->Pending(), IsEmpty());
  EXPECT_TRUE(device_->Take(0));
}

// A reset turns MSI-X off and masks; the id stays.
TEST_P(DoorbellDeviceTest, Reset) {
  Start(1);
  Kick(own_[0]);
  EXPECT_THAT(device_->Pending(), ElementsAre(0));
  ASSERT_TRUE(qemu_->qmp().Execute("system_reset").ok());
  ASSERT_TRUE(qemu_->qmp().WaitFor("RESET").ok());
  const int capability =
      *device_->function().FindCapability(pci::kMsixCapabilityId);
  EXPECT_EQ(device_->function().Config(2, capability + 2), 0);
  device_ = IvshmemDevice::SetUp(qemu_->qtest());
  EXPECT_EQ(device_->Position(), kOwn);
  EXPECT_THAT(device_->Pending(), IsEmpty());
}

// Two devices of one QEMU, on two servers, keep apart.
TEST_P(DoorbellDeviceTest, TwoInOneQemu) {
  ServerEnd other;
  const UniqueFd other_memory = MakeMemory(kSize);
  other.Greet(5, other_memory.get());
  const std::vector<UniqueFd> other_own = other.Connect(5, 1);
  server_.Greet(kOwn, memory_.get());
  own_ = server_.Connect(kOwn, 1);
  std::vector<std::string> arguments = Arguments(
      DoorbellDevice{.id = "a", .slot = 6, .socket_fd = server_.client()});
  const std::vector<std::string> more = Arguments(
      DoorbellDevice{.id = "b", .slot = 17, .socket_fd = other.client()});
  arguments.insert(arguments.end(), more.begin(), more.end());
  const absl::StatusOr<std::unique_ptr<Qemu>> qemu = Qemu::Start(
      {.arguments = arguments, .inherit = {server_.client(), other.client()}});
  ASSERT_TRUE(qemu.ok()) << qemu.status();
  const auto first = IvshmemDevice::SetUp((*qemu)->qtest(), 0);
  const auto second = IvshmemDevice::SetUp((*qemu)->qtest(), 1);
  ASSERT_NE(second, nullptr);
  EXPECT_EQ(first->Position(), kOwn);
  EXPECT_EQ(second->Position(), 5);
  EXPECT_EQ(second->function().slot(), 17);
  first->WriteMemory(0, {1});
  second->WriteMemory(0, {2});
  EXPECT_THAT(first->ReadMemory(0, 1), ElementsAre(1));
  Kick(other_own[0]);
  EXPECT_TRUE(second->PendingWithin(0, kPatience));
  EXPECT_TRUE(second->Take(0));
  EXPECT_FALSE(first->Take(0));
  Kick(other_own[0]);
  EXPECT_TRUE(second->PendingWithin(0, kPatience));
  second->msix().Mask(0, false);
  EXPECT_FALSE(first->Take(0)) << "that message was the other's";
  EXPECT_TRUE(second->Take(0));
}

}  // namespace
}  // namespace ivshmem::qemu
