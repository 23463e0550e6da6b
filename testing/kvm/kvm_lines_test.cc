// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Interrupt lines of backends/kvm into guests, by the IOAPIC in the kernel.

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "absl/types/span.h"
#include "backends/kvm/gsi_routes.h"
#include "backends/kvm/irq_lines.h"
#include "backends/linux/loop_thread.h"
#include "backends/registration.h"
#include "bus/interrupt_lines.h"
#include "bus/mmio_handler.h"
#include "gtest/gtest.h"
#include "testing/kvm/ioapic.h"
#include "testing/kvm/kvm_guest.h"

namespace ivshmem {
namespace {

using Trigger = Ioapic::Trigger;

// A device's status, which the guest's interrupt handler reads: not 0 while the
// device asserts its line.
class StatusRegister : public MmioHandler {
 public:
  static constexpr uint64_t kAddress = 0xe0000000;

  void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
    const int left = interrupts_left_;
    for (uint8_t& byte : bytes) byte = left > 0 ? 1 : 0;
    if (left > 0 && --interrupts_left_ == 0) lower_();
  }
  void Write(uint64_t, absl::Span<const uint8_t>) noexcept override {}

  // Has `line` up until the handler has come so often.
  void Assert(LineSink& line, int times) {
    lower_ = [&line] { line.SetLevel(false); };
    interrupts_left_ = times;
    line.SetLevel(true);
  }

 private:
  std::function<void()> lower_;
  std::atomic<int> interrupts_left_{0};
};

// The argument: whether the VM's table of routes has been replaced by ours.
class KvmLines : public ::testing::TestWithParam<bool> {
 protected:
  static constexpr int kPin = 20;
  static constexpr int kNumber = 5;

  void SetUp() override {
    IVSHMEM_SKIP_WITHOUT_KVM();
    guest_ = KvmGuest::Start();
    ioapic_.emplace(*guest_);
    if (GetParam()) {
      table_.emplace(guest_->vm(), kvm::GsiTable::Pc());
      ASSERT_TRUE(
          table_->Add({{.address = 0xfee00000, .data = kFirstInterrupt + 9}})
              .ok());
    }
    claim_ = *guest_->memory().Claim(StatusRegister::kAddress, 4, status_);
  }

  // How many interrupts there are once all that were raised have been handled:
  // they go before the guest's next command.
  uint32_t Interrupts() {
    guest_->Read(0x20000);
    return guest_->interrupts(kNumber);
  }
  // Connects the pin as level-triggered, with a driver that reads the status.
  // An interrupt that finds nothing there is a stray: a line may be sampled
  // once more before it is seen to be down (there are kernels that do).
  void ConnectLevel() {
    ioapic_->Connect(kPin, kNumber, Trigger::kLevel);
    guest_->AcknowledgeAt(StatusRegister::kAddress);
  }
  bool InterruptsBecome(uint32_t count) {
    return guest_->InterruptsBecome(kNumber, count) && Interrupts() == count;
  }

  std::unique_ptr<KvmGuest> guest_;
  std::optional<Ioapic> ioapic_;
  std::optional<kvm::GsiTable> table_;
  StatusRegister status_;
  RegistrationPtr claim_;
};

INSTANTIATE_TEST_SUITE_P(Routes, KvmLines, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "OurTable" : "KvmsTable";
                         });

// A level-triggered line interrupts as long as it is up, again after each
// acknowledgement, and no more when the device has lowered it.
TEST_P(KvmLines, ALineInterruptsWhileItIsUp) {
  ConnectLevel();
  kvm::IrqLine line(guest_->vm(), kPin);
  EXPECT_EQ(Interrupts(), 0u);
  status_.Assert(line, 3);
  EXPECT_TRUE(InterruptsBecome(3));
  status_.Assert(line, 1);
  EXPECT_TRUE(InterruptsBecome(4));
}

// A line that goes down before the guest looks has not been up.
TEST_P(KvmLines, ALineFollowsExactly) {
  ConnectLevel();
  ioapic_->Mask(kPin, true);
  kvm::IrqLine line(guest_->vm(), kPin);
  line.SetLevel(true);
  line.SetLevel(false);
  ioapic_->Mask(kPin, false);
  EXPECT_EQ(Interrupts() + guest_->strays(), 0u);
  ioapic_->Mask(kPin, true);
  status_.Assert(line, 1);
  ioapic_->Mask(kPin, false);
  EXPECT_TRUE(InterruptsBecome(1));
}

// A device that goes leaves its line down.
TEST_P(KvmLines, ALineGoesDownWithItsDevice) {
  ConnectLevel();
  ioapic_->Mask(kPin, true);
  { kvm::IrqLine(guest_->vm(), kPin).SetLevel(true); }
  ioapic_->Mask(kPin, false);
  EXPECT_EQ(Interrupts() + guest_->strays(), 0u);
}

class KvmResampledLines : public KvmLines {
 protected:
  void SetUp() override {
    KvmLines::SetUp();
    if (IsSkipped()) return;
    ConnectLevel();
    auto line = kvm::ResampledLine::Create(guest_->vm(), kPin, loop_->loop());
    ASSERT_TRUE(line.ok()) << line.status();
    line_ = *std::move(line);
  }

  std::unique_ptr<LoopThread> loop_ = *LoopThread::Start();
  std::unique_ptr<kvm::ResampledLine> line_;
};

INSTANTIATE_TEST_SUITE_P(Routes, KvmResampledLines, ::testing::Bool(),
                         [](const auto& info) {
                           return info.param ? "OurTable" : "KvmsTable";
                         });

// The kernel lowers the line when the guest acknowledges; it is raised again as
// long as the device asserts it.
TEST_P(KvmResampledLines, InterruptsWhileAsserted) {
  for (uint32_t round = 1; round <= 3; ++round) {
    status_.Assert(*line_, 3);
    EXPECT_TRUE(InterruptsBecome(3 * round));
  }
}

// A line that was up for a moment while the guest had it masked: whether the
// guest sees a stray then is the kernel's affair. What comes later arrives.
TEST_P(KvmResampledLines, UpAndDownBehindTheMask) {
  ioapic_->Mask(kPin, true);
  line_->SetLevel(true);
  line_->SetLevel(false);
  ioapic_->Mask(kPin, false);
  EXPECT_EQ(Interrupts(), 0u);
  status_.Assert(*line_, 1);
  EXPECT_TRUE(InterruptsBecome(1));
}

// Asserted while masked: one interrupt as soon as it is not.
TEST_P(KvmResampledLines, WaitsBehindTheMask) {
  ioapic_->Mask(kPin, true);
  status_.Assert(*line_, 1);
  EXPECT_EQ(Interrupts(), 0u);
  ioapic_->Mask(kPin, false);
  EXPECT_TRUE(InterruptsBecome(1));
}

// A device that goes leaves its line down.
TEST_P(KvmResampledLines, GoesDownWithItsDevice) {
  ioapic_->Mask(kPin, true);
  line_->SetLevel(true);
  line_ = nullptr;
  ioapic_->Mask(kPin, false);
  EXPECT_EQ(Interrupts() + guest_->strays(), 0u);
}

// Several devices may share a line: it interrupts while one of them asserts.
TEST_P(KvmResampledLines, IsShared) {
  auto other = *kvm::ResampledLine::Create(guest_->vm(), kPin, loop_->loop());
  line_->SetLevel(false);
  status_.Assert(*other, 2);
  EXPECT_TRUE(InterruptsBecome(2));
}

// An edge for each pulse.
TEST_P(KvmLines, PulsesInterrupt) {
  ioapic_->Connect(kPin, kNumber, Trigger::kEdge);
  auto line = kvm::IrqPulse::Create(guest_->vm(), kPin);
  ASSERT_TRUE(line.ok()) << line.status();
  for (uint32_t i = 1; i <= 100; ++i) {
    (*line)->Pulse();
    ASSERT_TRUE(InterruptsBecome(i));
  }
}

// Also by a pin that is a PIC's as well.
TEST_P(KvmLines, PulsesInterruptByLowPins) {
  constexpr int kLowPin = 10;
  ioapic_->Connect(kLowPin, kNumber, Trigger::kEdge);
  auto line = kvm::IrqPulse::Create(guest_->vm(), kLowPin);
  ASSERT_TRUE(line.ok()) << line.status();
  (*line)->Pulse();
  EXPECT_TRUE(InterruptsBecome(1));
}

}  // namespace
}  // namespace ivshmem
