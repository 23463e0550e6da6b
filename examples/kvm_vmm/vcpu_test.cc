// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A processor that the program's own thread runs. kvm_vmm_test has the other
// way, by a thread of its own.

#include "examples/kvm_vmm/vcpu.h"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <thread>

#include "backends/registration.h"
#include "bus/mmio_handler.h"
#include "examples/kvm_vmm/machine.h"
#include "examples/kvm_vmm/protected_mode.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/kvm/require_kvm.h"

namespace ivshmem::kvm_vmm {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kEntry = 0x2000;

class VcpuTest : public ::testing::Test {
 protected:
  void SetUp() override { IVSHMEM_SKIP_WITHOUT_KVM(); }

  // The guest is `code`.
  void Load(std::initializer_list<uint8_t> code) {
    machine_ = *Machine::Create(1 << 20);
    std::copy(code.begin(), code.end(), machine_->ram() + kEntry);
    ASSERT_TRUE(EnterProtectedMode(*machine_, 0x1000, kEntry).ok());
  }
  Vcpu& vcpu() { return machine_->vcpu(); }

  std::unique_ptr<Machine> machine_;
};

// Interrupt() ends Run() wherever the guest is, and it can go on afterwards.
TEST_F(VcpuTest, AnotherThreadInterrupts) {
  for (const std::initializer_list<uint8_t> code :
       {std::initializer_list<uint8_t>{0xfa, 0xf4},     // cli; hlt
        std::initializer_list<uint8_t>{0xeb, 0xfe}}) {  // jmp .
    ASSERT_NO_FATAL_FAILURE(Load(code));
    std::atomic<int> runs{0};
    std::atomic<bool> stop{false};
    std::thread other([&] {
      while (!stop) {
        const int before = runs;
        vcpu().Interrupt();
        while (!stop && runs == before) std::this_thread::yield();
      }
    });
    while (runs < 1000) {
      ASSERT_TRUE(vcpu().Run().ok());
      ++runs;
    }
    stop = true;
    other.join();
  }
}

// One that comes when nobody runs the guest ends the next run, once.
TEST_F(VcpuTest, AnInterruptIsNotLost) {
  ASSERT_NO_FATAL_FAILURE(Load({0xeb, 0xfe}));
  vcpu().Interrupt();
  EXPECT_TRUE(vcpu().Run().ok());
  vcpu().Interrupt();
  vcpu().Interrupt();
  EXPECT_TRUE(vcpu().Run().ok());
}

class Port : public MmioHandler {
 public:
  explicit Port(Vcpu& vcpu) : vcpu_(vcpu) {}
  void Read(uint64_t, absl::Span<uint8_t> bytes) noexcept override {
    std::fill(bytes.begin(), bytes.end(), uint8_t{0x41});
    vcpu_.Interrupt();
  }
  void Write(uint64_t, absl::Span<const uint8_t> bytes) noexcept override {
    written = bytes[0];
    ++writes;
    vcpu_.Interrupt();
  }

  uint8_t written = 0;
  int writes = 0;

 private:
  Vcpu& vcpu_;
};

// An access in which the interrupt comes is complete, and not made again.
TEST_F(VcpuTest, TheAccessIsComplete) {
  ASSERT_NO_FATAL_FAILURE(Load({0xe4, 0x60,     // in $0x60, %al
                                0xfe, 0xc0,     // inc %al
                                0xe6, 0x60,     // out %al, $0x60
                                0xeb, 0xfe}));  // jmp .
  Port port(vcpu());
  const RegistrationPtr claim = *machine_->ports().Claim(0x60, 1, port);
  EXPECT_TRUE(vcpu().Run().ok());
  EXPECT_EQ(port.writes, 0);
  EXPECT_TRUE(vcpu().Run().ok());
  EXPECT_EQ(port.writes, 1);
  EXPECT_EQ(port.written, 0x42);
  vcpu().Interrupt();
  EXPECT_TRUE(vcpu().Run().ok());
  EXPECT_EQ(port.writes, 1);
}

// A guest that cannot go on says why.
TEST_F(VcpuTest, TheGuestsEnd) {
  ASSERT_NO_FATAL_FAILURE(Load({0x0f, 0x0b}));  // ud2, without an IDT.
  EXPECT_THAT(vcpu().Run().message(), HasSubstr("triple fault"));
}

}  // namespace
}  // namespace ivshmem::kvm_vmm
