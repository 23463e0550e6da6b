// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/irqfd.h"

#include <linux/kvm.h>

#include <cerrno>
#include <cstdint>

#include "absl/status/status.h"
#include "backends/kvm/recording_vm.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;

auto IsIrqfd(uint32_t flags, uint32_t resamplefd) {
  return AllOf(Field("fd", &kvm_irqfd::fd, 42u),
               Field("gsi", &kvm_irqfd::gsi, 9u),
               Field("flags", &kvm_irqfd::flags, flags),
               Field("resamplefd", &kvm_irqfd::resamplefd, resamplefd));
}

// The event interrupts by the GSI until the registration goes.
TEST(IrqfdTest, AssignsAndDeassigns) {
  RecordingVm vm;
  auto irqfd = AssignIrqfd(vm, {42}, 9);
  ASSERT_TRUE(irqfd.ok()) << irqfd.status();
  EXPECT_THAT(vm.TakeIrqfds(), ElementsAre(IsIrqfd(0, 0)));
  *irqfd = nullptr;
  EXPECT_THAT(vm.TakeIrqfds(),
              ElementsAre(IsIrqfd(KVM_IRQFD_FLAG_DEASSIGN, 0)));
}

// With a second event that says when the guest has acknowledged.
TEST(IrqfdTest, Resamples) {
  RecordingVm vm;
  const auto irqfd = AssignIrqfd(vm, {42}, 9, EventHandle{43});
  EXPECT_THAT(vm.TakeIrqfds(),
              ElementsAre(IsIrqfd(KVM_IRQFD_FLAG_RESAMPLE, 43)));
}

// An event that is bound in this VM already: FailedPrecondition. Else the
// kernel's. Nothing is left to undo.
TEST(IrqfdTest, Errors) {
  RecordingVm vm;
  vm.Answer(KVM_IRQFD, -EBUSY);
  vm.Answer(KVM_IRQFD, -EINVAL);
  const auto busy = AssignIrqfd(vm, {42}, 9).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(busy)) << busy;
  EXPECT_THAT(busy.message(), HasSubstr("irqfd of descriptor 42, GSI 9"));
  EXPECT_TRUE(absl::IsInvalidArgument(AssignIrqfd(vm, {42}, 9).status()));
  EXPECT_EQ(vm.calls(KVM_IRQFD), 2);
}

}  // namespace
}  // namespace ivshmem::kvm
