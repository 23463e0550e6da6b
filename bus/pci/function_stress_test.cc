// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "bus/pci/function.h"
#include "bus/pci/function_fixture.h"
#include "bus/pci/msix.h"
#include "bus/pci/registers.h"
#include "bus/pci/testing.h"
#include "gtest/gtest.h"

// Several vCPUs at one function's configuration space. Meant for TSan as well.
namespace ivshmem::pci {
namespace {

using FunctionStressTest = FunctionTest;

constexpr int kRounds = 200;
constexpr int kWrites = 50;

// Whatever order two vCPUs' writes come in, what follows the configuration
// space agrees with what it holds at the end.
TEST_F(FunctionStressTest, WhatFollowsAgreesWithConfigSpace) {
  Place();
  EnableMsix();
  source_.level = true;
  function_->intx()->Settle();
  for (int round = 0; round < kRounds; ++round) {
    std::vector<std::thread> vcpus;
    for (int vcpu = 0; vcpu < 3; ++vcpu) {
      vcpus.emplace_back([this, vcpu, round] {
        for (int i = 0; i < kWrites; ++i) {
          const uint32_t dice = (round * 7919 + vcpu * 104729 + i) * 2654435761;
          SetCommand(static_cast<uint16_t>(dice >> 16));
          SetMsixControl(static_cast<uint16_t>(dice));
          function_->msix()->Deliver(vcpu);
          Read<uint32_t>(function_->bar(1), 0);
          ReadConfig<uint16_t>(*function_, kStatus);
        }
      });
    }
    for (std::thread& vcpu : vcpus) vcpu.join();

    const uint16_t command = ReadConfig<uint16_t>(*function_, kCommand);
    const uint16_t control = ReadConfig<uint16_t>(*function_, kMsixControl);
    const bool enabled = (control & kMsixControlEnable) != 0;
    const bool open = (control & kMsixControlFunctionMask) == 0 &&
                      (command & kCommandBusMaster) != 0;
    const bool decoded = (command & kCommandMemorySpace) != 0;
    EXPECT_EQ(function_->msix()->Deliver(0), !enabled ? Msix::Outcome::kDisabled
                                             : open   ? Msix::Outcome::kSent
                                                    : Msix::Outcome::kPending);
    if (enabled && open) {
      for (int vector = 0; vector < kVectors; ++vector) {
        EXPECT_FALSE(function_->msix()->pending(vector));
      }
    }
    EXPECT_EQ(line_.level(),
              !enabled && (command & kCommandInterruptDisable) == 0);
    EXPECT_EQ(function_->BarAddress(0).has_value(), decoded);
    EXPECT_EQ(Read<uint32_t>(function_->bar(0), 0), decoded ? 0 : 0xffffffffu);
  }
}

// A vCPU that has closed a gate may rely on it, however long another takes to
// send what it let loose.
TEST_F(FunctionStressTest, AClosedGateHoldsForWhoClosedIt) {
  Place();
  EnableMsix();
  std::atomic<bool> done{false};
  std::atomic<int> fired{0};
  // Both close and open, but never open what the other has closed: Bus Master
  // is one's, Function Mask the other's.
  std::thread other([&] {
    while (!done) {
      SetCommand(kCommandMemorySpace);
      function_->msix()->Deliver(1);
      if (function_->msix()->Deliver(1) == Msix::Outcome::kSent) ++fired;
      SetCommand(kCommandMemorySpace | kCommandBusMaster);
    }
  });
  for (int i = 0; i < kRounds * kWrites / 10; ++i) {
    SetMsixControl(kMsixControlEnable | kMsixControlFunctionMask);
    if (function_->msix()->Deliver(0) == Msix::Outcome::kSent) ++fired;
    SetMsixControl(kMsixControlEnable);
  }
  done = true;
  other.join();
  EXPECT_EQ(fired, 0);
  for (int vector = 0; vector < kVectors; ++vector) {
    EXPECT_FALSE(function_->msix()->pending(vector));
  }
}

}  // namespace
}  // namespace ivshmem::pci
