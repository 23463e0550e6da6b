// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/kvm/doorbells.h"

#include <linux/kvm.h>

#include <cerrno>
#include <cstdint>
#include <optional>

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

constexpr uint64_t kAddress = 0x80000000c;
constexpr uint32_t kValue = 0x00070001;
constexpr EventHandle kEvent = {42};

auto IsDoorbell(uint32_t flags) {
  return AllOf(Field("addr", &kvm_ioeventfd::addr, kAddress),
               Field("len", &kvm_ioeventfd::len, 4u),
               Field("datamatch", &kvm_ioeventfd::datamatch, uint64_t{kValue}),
               Field("fd", &kvm_ioeventfd::fd, 42),
               Field("flags", &kvm_ioeventfd::flags, flags));
}

// A write of exactly 4 bytes of that value to that address in memory (not a
// port), until the registration goes.
TEST(DoorbellsTest, BindsTheExactValue) {
  RecordingVm vm;
  Doorbells doorbells(vm);
  auto doorbell = doorbells.Bind(kAddress, kValue, kEvent);
  ASSERT_TRUE(doorbell.ok()) << doorbell.status();
  EXPECT_THAT(vm.TakeIoEventFds(),
              ElementsAre(IsDoorbell(KVM_IOEVENTFD_FLAG_DATAMATCH)));
  *doorbell = nullptr;
  EXPECT_THAT(vm.TakeIoEventFds(),
              ElementsAre(IsDoorbell(KVM_IOEVENTFD_FLAG_DATAMATCH |
                                     KVM_IOEVENTFD_FLAG_DEASSIGN)));
}

// No room is ResourceExhausted, which stays on the trapped path; that the value
// is bound already is another thing. Nothing is left to undo.
TEST(DoorbellsTest, Errors) {
  RecordingVm vm;
  Doorbells doorbells(vm);
  vm.Answer(KVM_IOEVENTFD, -ENOSPC);
  vm.Answer(KVM_IOEVENTFD, -EMFILE);
  vm.Answer(KVM_IOEVENTFD, -EEXIST);
  const auto full = doorbells.Bind(kAddress, kValue, kEvent).status();
  EXPECT_TRUE(absl::IsResourceExhausted(full)) << full;
  EXPECT_THAT(full.message(),
              HasSubstr("ioeventfd for 0x00070001 at 0x80000000c"));
  EXPECT_TRUE(absl::IsResourceExhausted(
      doorbells.Bind(kAddress, kValue, kEvent).status()));
  EXPECT_TRUE(
      absl::IsAlreadyExists(doorbells.Bind(kAddress, kValue, kEvent).status()));
  EXPECT_EQ(vm.calls(KVM_IOEVENTFD), 3);
}

// What matches no bound value is trapped.
TEST(DoorbellsTest, MissesFallThrough) {
  RecordingVm vm;
  EXPECT_EQ(Doorbells(vm).miss_policy(),
            DoorbellAccelerator::MissPolicy::kFallsThrough);
}

// Registrations may outlive the object.
TEST(DoorbellsTest, RegistrationsOutliveIt) {
  RecordingVm vm;
  std::optional<Doorbells> doorbells(std::in_place, vm);
  auto doorbell = doorbells->Bind(kAddress, kValue, kEvent);
  doorbells.reset();
  EXPECT_EQ(vm.calls(KVM_IOEVENTFD), 1);
  *doorbell = nullptr;
  EXPECT_EQ(vm.calls(KVM_IOEVENTFD), 2);
}

}  // namespace
}  // namespace ivshmem::kvm
