// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/kvm_x86_machine.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "backends/linux/loop_thread.h"
#include "bus/pci/msi.h"
#include "examples/two_guests/guests/x86/board.h"
#include "examples/two_guests/test_recorder.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/kvm/require_kvm.h"

namespace ivshmem::two_guests {
namespace {

using State = Machine::State;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint8_t kHalt[] = {0xfa, 0xf4};  // cli; hlt
constexpr uint8_t kSpin[] = {0xeb, 0xfe};  // jmp .
constexpr uint8_t kTwoMarks[] = {
    0xb8, 0x01, 0x00, 0x00, 0x00,  // mov $1, %eax
    0x66, 0xba, 0x00, 0x06,        // mov $X86_REPORT_PORT, %dx
    0xef,                          // out %eax, %dx
    0x40,                          // inc %eax
    0xef,                          // out %eax, %dx
    0xfa, 0xf4,                    // cli; hlt
};

constexpr uint8_t kVector = 0x20;

// Waits for an interrupt of kVector and says 1.
std::vector<uint8_t> InterruptedHalt() {
  constexpr uint32_t kHandler = 0x40;
  constexpr uint32_t kIdtr = 0x60;
  constexpr uint32_t kIdt = 0x100;
  constexpr uint8_t kMain[] = {
      0xbc, 0x00, 0x00, 0x01, 0x00,  // mov $0x10000, %esp
      0xc7, 0x05, 0xf0, 0x00, 0xe0, 0xfe, 0xff, 0x01, 0x00, 0x00,
      // movl $0x1ff, APIC's spurious vector: it is on
      0x0f, 0x01, 0x1d, kIdtr, 0x00, 0x10, 0x00,  // lidt
      0xfb,                                       // sti
      0xf4,                                       // hlt
      0xeb, 0xfd,                                 // jmp to hlt
  };
  constexpr uint8_t kMark[] = {
      0xb8, 0x01, 0x00, 0x00, 0x00,  // mov $1, %eax
      0x66, 0xba, 0x00, 0x06,        // mov $X86_REPORT_PORT, %dx
      0xef,                          // out %eax, %dx
      0xfa, 0xf4,                    // cli; hlt: iret may be unknown to KVM
  };
  static_assert(X86_IMAGE_ADDRESS == 0x100000);
  std::vector<uint8_t> image(kIdt + 8 * (kVector + 1));
  std::copy(std::begin(kMain), std::end(kMain), image.begin());
  std::copy(std::begin(kMark), std::end(kMark), image.begin() + kHandler);
  constexpr uint8_t kTable[] = {0xff, 0x07, 0x00, 0x01, 0x10, 0x00};
  std::copy(std::begin(kTable), std::end(kTable), image.begin() + kIdtr);
  // An interrupt gate of 32 bits.
  constexpr uint8_t kGate[] = {kHandler, 0x00, 0x10, 0x00,
                               0x00,     0x8e, 0x10, 0x00};
  std::copy(std::begin(kGate), std::end(kGate),
            image.begin() + kIdt + 8 * kVector);
  return image;
}

class KvmX86MachineTest : public testing::Test {
 protected:
  void SetUp() override { IVSHMEM_SKIP_WITHOUT_KVM(); }

  std::unique_ptr<KvmX86Machine> Create(absl::Span<const uint8_t> image) {
    auto machine = KvmX86Machine::Create(image, thread_->loop());
    EXPECT_TRUE(machine.ok()) << machine.status();
    return machine.ok() ? *std::move(machine) : nullptr;
  }

  const std::unique_ptr<LoopThread> thread_ = *LoopThread::Start();
};

TEST_F(KvmX86MachineTest, KvmCanBeUsed) {
  const absl::Status probe = KvmX86Machine::Probe();
  EXPECT_TRUE(probe.ok()) << probe;
}

// A guest that waits, though inside the kernel, is idle; again and again.
TEST_F(KvmX86MachineTest, AGuestThatWaitsIsIdle) {
  const auto machine = Create(kHalt);
  for (int i = 0; i < 3; ++i) EXPECT_EQ(*machine->Run(1), State::kIdle);
}

// One that has an interrupt is not, though the run ended before the processor
// could take it.
TEST_F(KvmX86MachineTest, AGuestWithAnInterruptIsNotIdle) {
  const auto machine = Create(InterruptedHalt());
  Recorder marks;
  const auto claim = *machine->ports().Claim(X86_REPORT_PORT, 4, marks);
  ASSERT_EQ(*machine->Run(1), State::kIdle);
  ASSERT_THAT(marks.values(), IsEmpty());
  machine->msi().Send({.address = 0xfee00000, .data = kVector});
  machine->EndSlice();  // The next run's, before it begins.
  EXPECT_EQ(*machine->Run(1), State::kIdle);
  EXPECT_THAT(marks.values(), ElementsAre(1));
}

// A slice ends though the guest does not: by the clock, or when somebody on
// another thread wants it.
TEST_F(KvmX86MachineTest, ASliceEndsThoughTheGuestDoesNot) {
  const auto machine = Create(kSpin);
  const absl::Time begin = absl::Now();
  EXPECT_EQ(*machine->Run(1), State::kRunning);
  EXPECT_GE(absl::Now() - begin, KvmX86Machine::kLongestSlice);
}

TEST_F(KvmX86MachineTest, AnotherThreadEndsASlice) {
  const auto machine = Create(kTwoMarks);
  Recorder marks;
  const auto claim = *machine->ports().Claim(X86_REPORT_PORT, 4, marks);
  std::thread other;
  marks.OnWrite([&](uint32_t mark) {
    if (mark == 1) other = std::thread([&] { machine->EndSlice(); });
    if (other.joinable()) other.join();
  });
  EXPECT_EQ(*machine->Run(1), State::kRunning);
  EXPECT_EQ(*machine->Run(1), State::kIdle);
  EXPECT_THAT(marks.values(), ElementsAre(1, 2));
}

// A slice that ends in an access ends after it; the access is not repeated.
TEST_F(KvmX86MachineTest, EndingASliceInAnAccessDoesNotRepeatIt) {
  const auto machine = Create(kTwoMarks);
  Recorder marks;
  const auto claim = *machine->ports().Claim(X86_REPORT_PORT, 4, marks);
  marks.OnWrite([&](uint32_t) { machine->EndSlice(); });
  EXPECT_EQ(*machine->Run(1), State::kRunning);
  EXPECT_THAT(marks.values(), ElementsAre(1));
  EXPECT_EQ(*machine->Run(1), State::kRunning);
  EXPECT_THAT(marks.values(), ElementsAre(1, 2));
  EXPECT_EQ(*machine->Run(1), State::kIdle);
  EXPECT_THAT(marks.values(), ElementsAre(1, 2));
}

TEST_F(KvmX86MachineTest, RefusesAnImageThatDoesNotFit) {
  const std::vector<uint8_t> image(X86_RAM_SIZE - X86_IMAGE_ADDRESS + 1);
  EXPECT_THAT(KvmX86Machine::Create(image, thread_->loop()).status().message(),
              HasSubstr("expected at most 1048576 bytes, got 1048577"));
}

}  // namespace
}  // namespace ivshmem::two_guests
