// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A firmware image from outside, which knows QEMU's device and nothing of this
// project, runs on kvm_vmm as it is: RAM, PCI's two ports, PIC, PIT, LAPIC.
// What the words are is said at the head of outside_firmware/main.c.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/doorbell.h"
#include "examples/kvm_vmm/test_peer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/require_kvm.h"
#include "testing/process.h"

namespace ivshmem {
namespace {

constexpr uint32_t kReady = 0x1badb002;
constexpr uint32_t kOnes = 0xffffffff;

struct Case {
  std::string name;
  std::string image;
  std::string short_cuts = "on";
  uint32_t word_128k_below_4g = kOnes;
};

class OutsideFirmware : public ::testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    peer_ = std::make_unique<TestPeer>(server_);
    const Case& run = GetParam();
    absl::StatusOr<std::unique_ptr<Process>> vmm = Process::Start(
        {.program = "examples/kvm_vmm/kvm_vmm",
         .arguments = {"--bios", absl::StrCat("examples/kvm_vmm/", run.image),
                       "--socket", server_.socket_path(), "--vectors", "4",
                       absl::StrCat("--ioeventfd=", run.short_cuts),
                       absl::StrCat("--irqfd=", run.short_cuts), "-v"}});
    ASSERT_TRUE(vmm.ok()) << vmm.status();
    vmm_ = *std::move(vmm);
    ASSERT_TRUE(Becomes([&] { return word(0) == kReady; })) << vmm_->Output();
    ASSERT_TRUE(Writes(*vmm_, "all peers are known"));
    guest_ = static_cast<PeerId>(word(16));
    for (Vector vector = 0; vector < TestPeer::kVectors; ++vector) {
      ASSERT_TRUE(Becomes([&] { return peer_->Knows({guest_, vector}); }));
    }
  }

  volatile uint32_t& word(int index) {
    return reinterpret_cast<volatile uint32_t*>(peer_->memory())[index];
  }

  ServerProcess server_{{"--vectors", "4", "--size", "2M"}};
  std::unique_ptr<TestPeer> peer_;
  std::unique_ptr<Process> vmm_;
  PeerId guest_ = 0;
};

// It comes from the reset vector by the copy below 1 MiB, takes the timer's
// interrupts in real mode, scans all buses, sizes the BARs and places them from
// e0000000 on.
TEST_P(OutsideFirmware, FindsItsMachineAndDevice) {
  EXPECT_EQ(word(1), 1u);
  EXPECT_EQ(word(2), 0u);
  EXPECT_EQ(word(3), 0x11001af4u);
  EXPECT_EQ(word(4), 256u);
  EXPECT_EQ(word(5), 4096u);
  EXPECT_EQ(word(6), 2048u);
  EXPECT_GE(word(7), 5u);
  EXPECT_EQ(word(8), 1u);
  EXPECT_EQ(word(9), 0xff5au);
  EXPECT_EQ(word(12) & 0xf0, 0x10u);
  EXPECT_EQ(word(15), 1u);
  EXPECT_EQ(word(16), 1u);
}

// Absent functions and unclaimed ports read ones whatever was written there, in
// all sizes; so does what is below a small image, and a large one is all there.
TEST_P(OutsideFirmware, WhatIsAbsentReadsOnes) {
  EXPECT_EQ(word(10), kOnes);
  EXPECT_EQ(word(11), kOnes);
  EXPECT_EQ(word(13), 1u);
  EXPECT_EQ(word(14), GetParam().word_128k_below_4g);
}

// Its LAPIC has the device's message pending, seen by polling; then its handler
// takes all interrupts, on each vector, and each ring back arrives.
TEST_P(OutsideFirmware, RingsBothWays) {
  constexpr uint32_t kRings = 100;
  word(17) = peer_->id();
  for (uint32_t i = 1; i <= kRings; ++i) {
    for (Vector vector = 0; vector < TestPeer::kVectors; ++vector) {
      peer_->Ring({guest_, vector});
      ASSERT_TRUE(Becomes([&] { return peer_->answers(vector) == i; }))
          << i << ": " << peer_->answers(vector) << " " << vmm_->Output();
      ASSERT_EQ(word(20 + vector), i);
    }
  }
  EXPECT_EQ(word(18), 1u);
}

INSTANTIATE_TEST_SUITE_P(
    All, OutsideFirmware,
    ::testing::Values(Case{.name = "Of64KiB", .image = "outside_rom_64k.bin"},
                      Case{.name = "Of128KiB",
                           .image = "outside_rom_128k.bin",
                           .word_128k_below_4g = 0x214d4f52},  // "ROM!"
                      Case{.name = "WithoutShortCuts",
                           .image = "outside_rom_64k.bin",
                           .short_cuts = "off"}),
    [](const ::testing::TestParamInfo<Case>& info) { return info.param.name; });

}  // namespace
}  // namespace ivshmem
