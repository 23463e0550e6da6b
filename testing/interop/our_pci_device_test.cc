// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/str_cat.h"
#include "backends/linux/link_events.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "core/registers.h"
#include "device/pci_guest.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/our_guest.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"

// This project's PCI device and QEMU's, on this project's server.
namespace ivshmem {
namespace {

using ::testing::ElementsAre;

enum class First : uint8_t { kOurs, kQemu };

class OurPciDevice : public ::testing::TestWithParam<std::tuple<int, First>> {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    if (std::get<1>(GetParam()) == First::kOurs) JoinOurs();
    JoinQemu();
    if (std::get<1>(GetParam()) == First::kQemu) JoinOurs();
    ASSERT_TRUE(ours_ != nullptr && qemu_ != nullptr);
    ASSERT_TRUE(ours_->Knows(qemu_->id(), Last()));
    ASSERT_TRUE(qemu_->RingUntil(ours_->id(), Last(),
                                 [&] { return !ours_->HearsNothing(); }));
    ours_->TakeAll();
  }

  static int Vectors() { return std::get<0>(GetParam()); }
  static Vector Last() { return static_cast<Vector>(Vectors() - 1); }

  void JoinOurs() {
    ours_ = OurGuest::Join({.socket_path = server_.socket_path()}, Vectors());
  }
  void JoinQemu() { qemu_ = QemuGuest::Join(server_.socket_path(), Vectors()); }

  ServerProcess server_{{"--vectors", absl::StrCat(Vectors()), "--size", "1M"}};
  std::unique_ptr<OurGuest> ours_;
  std::unique_ptr<QemuGuest> qemu_;
};

INSTANTIATE_TEST_SUITE_P(
    Vectors, OurPciDevice,
    ::testing::Combine(::testing::Values(1, 2, 64),
                       ::testing::Values(First::kOurs, First::kQemu)),
    [](const auto& info) {
      return absl::StrCat(
          std::get<0>(info.param), "Vectors",
          std::get<1>(info.param) == First::kOurs ? "OursFirst" : "QemuFirst");
    });

// Each guest sees its id; each vector of each is rung by the other, and only it
// is heard; what one writes the other reads.
TEST_P(OurPciDevice, AndQemus) {
  const bool ours_first = std::get<1>(GetParam()) == First::kOurs;
  EXPECT_EQ(ours_->guest().Read(kPositionOffset), ours_first ? 0 : 1);
  EXPECT_EQ(qemu_->device().Position(), ours_first ? 1 : 0);

  for (int vector = 0; vector < Vectors(); ++vector) {
    const auto v = static_cast<Vector>(vector);
    ours_->Ring(qemu_->id(), v);
    EXPECT_TRUE(qemu_->Hears(v)) << v;
    EXPECT_TRUE(ours_->HearsNothing()) << v;
    qemu_->Ring(ours_->id(), v);
    EXPECT_TRUE(ours_->Hears(v)) << v;
    EXPECT_TRUE(qemu_->HearsNothing()) << v;
  }

  ours_->host().space().Write32(PciGuest::kBar2 + 0x100, 0x44332211);
  EXPECT_THAT(qemu_->device().ReadMemory(0x100, 4),
              ElementsAre(0x11, 0x22, 0x33, 0x44));
  qemu_->device().WriteMemory((1 << 20) - 4, {1, 2, 3, 4});
  EXPECT_EQ(ours_->host().space().Read32(PciGuest::kBar2 + (1 << 20) - 4),
            0x04030201);
}

// Each hears of the other's end.
TEST_P(OurPciDevice, QemuGoes) {
  const PeerId id = qemu_->id();
  qemu_->qemu().Kill();
  ASSERT_TRUE(ours_->link().Happens(LinkEvent::Kind::kPeerLeft));
  ours_->Ring(id, 0);
  EXPECT_EQ(ours_->guest().device().count(RingResult::kNoSuchPeer), 1);
}

// A QEMU with fewer vectors than the server closes what comes beyond them, and
// has made these events blocking before, for all who share them. Our device
// goes on being rung through them.
TEST(OurPciDeviceAnd, AQemuWithFewerVectors) {
  constexpr Vector kLast = 2;
  ServerProcess server({"--vectors", "3"});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  const auto ours = OurGuest::Join({.socket_path = server.socket_path()}, 3);
  const auto third = OurGuest::Join({.socket_path = server.socket_path()}, 3);
  const auto qemu = QemuGuest::Join(server.socket_path(), 1);
  ASSERT_TRUE(ours != nullptr && third != nullptr && qemu != nullptr);
  ASSERT_TRUE(third->Knows(ours->id(), kLast));
  ASSERT_TRUE(qemu->RingUntil(third->id(), 0, [&] {
    return !third->HearsNothing();
  })) << "has seen all of the one before";
  for (int round = 0; round < 3; ++round) {
    third->Ring(ours->id(), kLast);
    EXPECT_TRUE(ours->Hears(kLast));
  }
  ours->Ring(qemu->id(), kLast);
  EXPECT_TRUE(qemu->HearsNothing());
  ours->Ring(qemu->id(), 0);
  EXPECT_TRUE(qemu->Hears(0));
}

}  // namespace
}  // namespace ivshmem
