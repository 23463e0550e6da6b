// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// What the lines ask of the kernel; testing/kvm has them on guests.

#include "backends/kvm/irq_lines.h"

#include <fcntl.h>
#include <linux/kvm.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/kvm/recording_vm.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::kvm {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;

constexpr uint32_t kGsi = 19;

auto IsLevel(uint32_t level) {
  return AllOf(Field("irq", &kvm_irq_level::irq, kGsi),
               Field("level", &kvm_irq_level::level, level));
}

// The descriptor that an irqfd was made of, as the kernel has it.
std::shared_ptr<EventFd> Event(uint32_t fd) {
  const int copy = fcntl(static_cast<int>(fd), F_DUPFD_CLOEXEC, 0);
  return *EventFd::Adopt(UniqueFd(copy));
}

// The line follows the device, and is down when the device goes.
TEST(IrqLineTest, FollowsTheLevel) {
  RecordingVm vm;
  {
    IrqLine line(vm, kGsi);
    line.SetLevel(true);
    line.SetLevel(false);
    line.SetLevel(true);
  }
  EXPECT_THAT(vm.TakeLevels(),
              ElementsAre(IsLevel(1), IsLevel(0), IsLevel(1), IsLevel(0)));
}

// An edge for each pulse, by an event of its own that the kernel watches until
// the line goes.
TEST(IrqPulseTest, SignalsItsIrqfd) {
  RecordingVm vm;
  auto line = IrqPulse::Create(vm, kGsi);
  ASSERT_TRUE(line.ok()) << line.status();
  const auto irqfds = vm.TakeIrqfds();
  ASSERT_EQ(irqfds.size(), 1u);
  EXPECT_EQ(irqfds[0].gsi, kGsi);
  EXPECT_EQ(irqfds[0].flags, 0u);
  const auto event = Event(irqfds[0].fd);
  EXPECT_FALSE(event->Drain());
  (*line)->Pulse();
  EXPECT_TRUE(event->Drain());
  EXPECT_FALSE(event->Drain());
  *line = nullptr;
  EXPECT_THAT(vm.TakeIrqfds(),
              ElementsAre(Field(&kvm_irqfd::flags, KVM_IRQFD_FLAG_DEASSIGN)));
}

TEST(IrqPulseTest, TheKernelRefuses) {
  RecordingVm vm;
  vm.Answer(KVM_IRQFD, -EINVAL);
  EXPECT_TRUE(absl::IsInvalidArgument(IrqPulse::Create(vm, kGsi).status()));
  EXPECT_EQ(vm.calls(KVM_IRQFD), 1);
}

class ResampledLineTest : public ::testing::Test {
 protected:
  void SetUp() override {
    vm_.SetExtension(KVM_CAP_IRQFD_RESAMPLE, 1);
    auto line = ResampledLine::Create(vm_, kGsi, *loop_);
    ASSERT_TRUE(line.ok()) << line.status();
    line_ = *std::move(line);
    irqfds_ = vm_.TakeIrqfds();
    ASSERT_EQ(irqfds_.size(), 1u);
    raised_ = Event(irqfds_[0].fd);
    acknowledged_ = Event(irqfds_[0].resamplefd);
  }

  // The kernel, when the guest acknowledges: it lowers the line and says so.
  void Acknowledge() {
    acknowledged_->Signal();
    EXPECT_EQ(loop_->Dispatch(absl::ZeroDuration()), 1);
  }

  RecordingVm vm_;
  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::unique_ptr<ResampledLine> line_;
  std::vector<kvm_irqfd> irqfds_;
  std::shared_ptr<EventFd> raised_;
  std::shared_ptr<EventFd> acknowledged_;
};

// It is an irqfd with resampling, and a second event for it.
TEST_F(ResampledLineTest, IsAnIrqfdWithResampling) {
  EXPECT_EQ(irqfds_[0].gsi, kGsi);
  EXPECT_EQ(irqfds_[0].flags, KVM_IRQFD_FLAG_RESAMPLE);
  EXPECT_NE(irqfds_[0].fd, irqfds_[0].resamplefd);
}

// Raised by the event, without an ioctl. Lowered by the kernel alone.
TEST_F(ResampledLineTest, IsRaisedByTheEvent) {
  line_->SetLevel(true);
  EXPECT_TRUE(raised_->Drain());
  line_->SetLevel(false);
  EXPECT_FALSE(raised_->Drain());
  EXPECT_THAT(vm_.TakeLevels(), ElementsAre());
}

// Still asserted when the guest acknowledges: raised again, each time.
TEST_F(ResampledLineTest, IsRaisedAgainWhileAsserted) {
  line_->SetLevel(true);
  EXPECT_TRUE(raised_->Drain());
  for (int i = 0; i < 3; ++i) {
    Acknowledge();
    EXPECT_TRUE(raised_->Drain()) << i;
    EXPECT_FALSE(acknowledged_->Drain()) << "nobody is told twice";
  }
  line_->SetLevel(false);
  Acknowledge();
  EXPECT_FALSE(raised_->Drain());
}

// When the line goes, so does the irqfd, and nobody watches any more.
TEST_F(ResampledLineTest, Goes) {
  line_ = nullptr;
  EXPECT_THAT(
      vm_.TakeIrqfds(),
      ElementsAre(Field(&kvm_irqfd::flags,
                        KVM_IRQFD_FLAG_RESAMPLE | KVM_IRQFD_FLAG_DEASSIGN)));
  acknowledged_->Signal();
  EXPECT_EQ(loop_->Dispatch(absl::ZeroDuration()), 0);
}

// A kernel that cannot resample.
TEST(ResampledLineErrorTest, NeedsTheCapability) {
  RecordingVm vm;
  const auto loop = *EventLoop::Create();
  EXPECT_TRUE(
      absl::IsUnimplemented(ResampledLine::Create(vm, kGsi, *loop).status()));
  EXPECT_EQ(vm.calls(KVM_IRQFD), 0);
}

TEST(ResampledLineErrorTest, TheKernelRefuses) {
  RecordingVm vm;
  vm.SetExtension(KVM_CAP_IRQFD_RESAMPLE, 1);
  vm.Answer(KVM_IRQFD, -ENOMEM);
  const auto loop = *EventLoop::Create();
  EXPECT_TRUE(absl::IsResourceExhausted(
      ResampledLine::Create(vm, kGsi, *loop).status()));
  EXPECT_EQ(vm.calls(KVM_IRQFD), 1);
}

}  // namespace
}  // namespace ivshmem::kvm
