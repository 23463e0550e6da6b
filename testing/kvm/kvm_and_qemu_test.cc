// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A guest on KVM with this project's device and a guest on QEMU with QEMU's, on
// the real server.

#include <cstdint>
#include <memory>

#include "absl/strings/str_cat.h"
#include "backends/linux/link_events.h"
#include "backends/linux/server_link.h"
#include "core/doorbell.h"
#include "core/peer_table.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/qemu_guest.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/kvm_guest.h"
#include "testing/kvm/kvm_pci_guest.h"

namespace ivshmem {
namespace {

using ::testing::ElementsAre;

// The argument: whether doorbells and interrupts go through the kernel alone.
class KvmAndQemu : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr int kVectors = 3;
  static constexpr Vector kLast = kVectors - 1;

  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    ours_ = std::make_unique<KvmPciGuest>(
        ServerLink::Options{.socket_path = server_.socket_path()},
        KvmPciGuest::Options{.vectors = kVectors,
                             .io_event_fd = GetParam(),
                             .irqfd = GetParam()});
    ASSERT_FALSE(HasFailure());
    qemu_ = QemuGuest::Join(server_.socket_path(), kVectors);
    ASSERT_NE(qemu_, nullptr);
    ASSERT_TRUE(ours_->Knows(qemu_->id(), kLast));
    ASSERT_TRUE(qemu_->RingUntil(ours_->id(), kLast, [&] {
      return ours_->guest().interrupts(kLast) > 0;
    }));
    ours_->Settle();
  }

  ServerProcess server_{{"--vectors", absl::StrCat(kVectors), "--size", "1M"}};
  std::unique_ptr<KvmPciGuest> ours_;
  std::unique_ptr<QemuGuest> qemu_;
};

INSTANTIATE_TEST_SUITE_P(Paths, KvmAndQemu, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "Kernel" : "Exits";
                         });

// Each vector of each is rung by the other, and only it is heard. QEMU shares
// its events with our kernel.
TEST_P(KvmAndQemu, RingEachOther) {
  // It was rung until it was heard, which may have been once too often.
  ASSERT_TRUE(qemu_->HearsNothing());
  qemu_->Ring(ours_->id(), 0);
  ASSERT_TRUE(ours_->guest().InterruptsBecome(0, 1));
  const uint32_t heard = ours_->guest().interrupts(kLast);
  const uint64_t exits = ours_->exits();
  for (uint32_t round = 1; round <= 20; ++round) {
    for (Vector v = 0; v < kVectors; ++v) {
      ours_->Ring(qemu_->id(), v);
      ASSERT_TRUE(qemu_->Hears(v)) << v;
      qemu_->Ring(ours_->id(), v);
      const uint32_t before = v == 0 ? 1 : v == kLast ? heard : 0;
      ASSERT_TRUE(ours_->guest().InterruptsBecome(v, before + round)) << v;
      ASSERT_TRUE(qemu_->HearsNothing()) << v;
    }
  }
  EXPECT_EQ(ours_->exits() - exits, GetParam() ? 0u : 20u * kVectors);
}

// What one writes the other reads, first byte and last.
TEST_P(KvmAndQemu, ShareTheMemory) {
  constexpr uint32_t kLastWord = (1 << 20) - 4;
  ours_->guest().Write(KvmPciGuest::kBar2, 0x04030201);
  EXPECT_THAT(qemu_->device().ReadMemory(0, 4), ElementsAre(1, 2, 3, 4));
  qemu_->device().WriteMemory(kLastWord, {5, 6, 7, 8});
  EXPECT_EQ(ours_->guest().Read(KvmPciGuest::kBar2 + kLastWord), 0x08070605u);
}

// A masked vector keeps QEMU's ring until it is unmasked.
TEST_P(KvmAndQemu, RingsAMaskedVector) {
  ours_->MaskVector(1, true);
  ours_->Settle();
  qemu_->Ring(ours_->id(), 1);
  EXPECT_TRUE(Becomes([&] {
    return (ours_->guest().Read(KvmPciGuest::kBar1 + 0x800) & 2) != 0;
  }));
  EXPECT_EQ(ours_->guest().interrupts(1), 0u);
  ours_->MaskVector(1, false);
  EXPECT_TRUE(ours_->guest().InterruptsBecome(1, 1));
}

// A QEMU that is killed is nobody; one that comes is rung and rings.
TEST_P(KvmAndQemu, QemuGoesAndComesBack) {
  const PeerId old = qemu_->id();
  qemu_->qemu().Kill();
  ASSERT_TRUE(ours_->link().Happens(LinkEvent::Kind::kPeerLeft));
  ours_->Settle();
  ours_->Ring(old, 0);
  EXPECT_EQ(ours_->device().device().count(RingResult::kNoSuchPeer), 1u);
  qemu_ = QemuGuest::Join(server_.socket_path(), kVectors);
  ASSERT_NE(qemu_, nullptr);
  ASSERT_TRUE(ours_->Knows(qemu_->id(), kLast));
  ours_->Ring(qemu_->id(), 1);
  EXPECT_TRUE(qemu_->Hears(1));
  EXPECT_TRUE(qemu_->RingUntil(
      ours_->id(), 1, [&] { return ours_->guest().interrupts(1) > 0; }));
}

}  // namespace
}  // namespace ivshmem
