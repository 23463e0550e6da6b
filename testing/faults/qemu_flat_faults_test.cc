// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The faults of QEMU's flat device, each shown absent: what led to it is done
// to this project's device, through its link to a server.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/link_fixture.h"
#include "backends/mock/host.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "device/flat_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint64_t kRegisters = 0x40000000;

class QemuFlatFaults : public LinkTest {
 protected:
  // The device goes after what it is attached to.
  ~QemuFlatFaults() override { attachment_ = nullptr; }

  void Plug() {
    FlatDevice::Config config;
    config.registers_address = kRegisters;
    config.memory_address = 0x60000000;
    auto device = FlatDevice::Create(config, link_->memory(),
                                     {.mmio = &host_.space(),
                                      .mapper = &host_.space(),
                                      .irq = &host_.pulse()});
    ASSERT_TRUE(device.ok()) << device.status();
    flat_ = *std::move(device);
    absl::StatusOr<RegistrationPtr> attachment = link_->Attach(flat_->device());
    ASSERT_TRUE(attachment.ok()) << attachment.status();
    attachment_ = *std::move(attachment);
  }

  bool Knows(PeerId peer, Vector vector) {
    return flat_->device().peers().Find({peer, vector}) != nullptr;
  }
  void Ring(PeerId peer, Vector vector) {
    host_.space().Write32(kRegisters + kDoorbellOffset,
                          Doorbell{peer, vector}.Encode());
  }

  mock::Host host_;
  std::unique_ptr<FlatDevice> flat_;
};

// A ring of vector 0xffff, and of each from the first that the peer lacks.
// Fault: flat-vector-ffff
// Differs: flat-vector-bound
TEST_F(QemuFlatFaults, VectorsPastTheEnd) {
  JoinAs(0);
  Plug();
  const auto peer = server_.Connect(4, 2);
  ASSERT_TRUE(Until([&] { return Knows(4, 1); }));
  for (const int vector : {2, 63, 64, 2047, 2048, 0x7fff, 0x8000, 0xffff}) {
    Ring(4, static_cast<Vector>(vector));
  }
  EXPECT_FALSE(peer[0]->Drain());
  EXPECT_FALSE(peer[1]->Drain());
  EXPECT_EQ(flat_->device().count(RingResult::kNoSuchVector), 8u);
  Ring(4, 1);
  EXPECT_TRUE(peer[1]->Drain());
}

// Vector 1 of its own: the line is pulsed once, and nothing is ready after it.
// Fault: flat-own-vector
TEST_F(QemuFlatFaults, OwnVectorOneIsRead) {
  JoinAs(0);
  Plug();
  const auto own = server_.Connect(0, 2);
  ASSERT_TRUE(Until([&] { return Knows(0, 1); }));
  own[1]->Signal();
  ASSERT_TRUE(Until([&] { return !host_.log().entries().empty(); }));
  Settle();
  EXPECT_FALSE(own[1]->Drain()) << "it was read";
  EXPECT_EQ(loop_->Dispatch(absl::Milliseconds(1)), 0) << "nothing is ready";
  EXPECT_THAT(host_.pulse().Take(), ElementsAre(0));
}

// The server says that the device itself has gone: its fault. The device stays,
// and the link joins anew.
// Fault: flat-own-disconnect
TEST_F(QemuFlatFaults, TheOwnIdLeaves) {
  JoinAs(0);
  Plug();
  server_.Connect(0, 2);
  ASSERT_TRUE(Until([&] { return Knows(0, 1); }));
  server_.Send(0);
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  Accept();
  server_.Greet(0, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kRejoined));
  EXPECT_EQ(host_.space().Read32(kRegisters + kPositionOffset), 0u);
}

// Another version than 0 is refused.
// Fault: flat-version
TEST_F(QemuFlatFaults, AnotherVersion) {
  options_.retry = false;
  Start();
  Accept();
  server_.Send(1);
  ASSERT_TRUE(UntilEvent(Kind::kFailed));
  EXPECT_THAT(events_.Last(Kind::kFailed).text, HasSubstr("version"));
}

// An id of 65,536 is not 0: neither the own one nor a peer's.
// Fault: flat-ids-cut
TEST_F(QemuFlatFaults, IdsPastSixteenBits) {
  options_.retry = false;
  Start();
  Accept();
  server_.Send(0);
  server_.Send(65536);
  ASSERT_TRUE(UntilEvent(Kind::kFailed));
  EXPECT_THAT(events_.Last(Kind::kFailed).text, HasSubstr("65536"));
}

// Fault: flat-ids-cut
TEST_F(QemuFlatFaults, PeersPastSixteenBits) {
  JoinAs(1);
  Plug();
  const auto event = *EventFd::Create();
  server_.Send(65536 + 4, event->fd());
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  EXPECT_THAT(events_.Last(Kind::kLost).text, HasSubstr("65540"));
  EXPECT_FALSE(Knows(4, 0));
}

// The connection is reset: the link is lost, the peers can be rung, and the
// link joins again.
// Fault: flat-read-error
TEST_F(QemuFlatFaults, TheSocketFails) {
  JoinAs(1);
  Plug();
  const auto peer = server_.Connect(4, 1);
  ASSERT_TRUE(Until([&] { return Knows(4, 0); }));
  server_.Hangup();
  ASSERT_TRUE(UntilEvent(Kind::kLost));
  Ring(4, 0);
  EXPECT_TRUE(peer[0]->Drain());
  Accept();
  server_.Greet(1, memory_.fd());
  ASSERT_TRUE(UntilEvent(Kind::kRejoined));
}

}  // namespace
}  // namespace ivshmem
