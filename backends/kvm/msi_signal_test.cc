// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/msi_signal.h"

#include <linux/kvm.h>

#include <cerrno>
#include <cstdint>

#include "backends/kvm/recording_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;

// The message goes into the VM as it is, all 64 bits of its address.
TEST(MsiSignalTest, Sends) {
  RecordingVm vm;
  MsiSignal(vm).Send({.address = 0x12345678fee01000, .data = 0x4041});
  EXPECT_THAT(
      vm.TakeMessages(),
      ElementsAre(AllOf(Field("address_lo", &kvm_msi::address_lo, 0xfee01000u),
                        Field("address_hi", &kvm_msi::address_hi, 0x12345678u),
                        Field("data", &kvm_msi::data, 0x4041u),
                        Field("flags", &kvm_msi::flags, 0u))));
}

// What the guest blocks (0) or its controller does not know (an error) is lost:
// it is not sent a second time.
TEST(MsiSignalTest, WhatIsBlockedIsLost) {
  RecordingVm vm;
  MsiSignal msi(vm);
  vm.Answer(KVM_SIGNAL_MSI, 0);
  vm.Answer(KVM_SIGNAL_MSI, -EINVAL);
  msi.Send({.address = 0xfee00000, .data = 0x40});
  msi.Send({.address = 0, .data = 0x40});
  EXPECT_EQ(vm.calls(KVM_SIGNAL_MSI), 2);
}

}  // namespace
}  // namespace ivshmem::kvm
