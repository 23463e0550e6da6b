// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// kvm_vmm, the program, with a firmware of its own as the guest; the server,
// the program; and the test as the other peer.

#include <sched.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): SIGTERM.

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "core/doorbell.h"
#include "examples/kvm_vmm/test_firmware/report.h"
#include "examples/kvm_vmm/test_peer.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/interop/joined_link.h"
#include "testing/interop/server_process.h"
#include "testing/kvm/require_kvm.h"
#include "testing/process.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;

constexpr char kProgram[] = "examples/kvm_vmm/kvm_vmm";
constexpr char kFirmware[] = "examples/kvm_vmm/test_rom.bin";
constexpr uint32_t kOnes = 0xffffffff;

class KvmVmm : public ::testing::Test {
 protected:
  void SetUp() override { IVSHMEM_SKIP_WITHOUT_KVM(); }

  // The server, the test as the first peer, the VMM as the second, whose guest
  // is ready and knows the test.
  void Start(std::vector<std::string> arguments) {
    ASSERT_NO_FATAL_FAILURE(server_.Start());
    peer_ = std::make_unique<TestPeer>(server_);
    const std::vector<std::string> always = {
        "--bios",    kFirmware, "--socket", server_.socket_path(),
        "--vectors", "2",       "--memory", "2M",
        "-v"};
    arguments.insert(arguments.end(), always.begin(), always.end());
    absl::StatusOr<std::unique_ptr<Process>> vmm =
        Process::Start({.program = kProgram, .arguments = arguments});
    ASSERT_TRUE(vmm.ok()) << vmm.status();
    vmm_ = *std::move(vmm);
    ASSERT_TRUE(Becomes([&] { return report().ready == kFirmwareReady; }))
        << vmm_->Output();
    ASSERT_TRUE(Writes(*vmm_, "all peers are known"));
    guest_ = static_cast<PeerId>(report().position);
    ASSERT_TRUE(Becomes([&] {
      return peer_->Knows({guest_, 0}) && peer_->Knows({guest_, 1});
    }));
    report().ringer = peer_->id();
  }

  // Shared with the guest, which writes it while the test reads.
  volatile FirmwareReport& report() {
    return *reinterpret_cast<FirmwareReport*>(peer_->memory());
  }

  // Rings the guest on `vector` so often, each time after it has answered.
  void Exchange(Vector vector, uint32_t times) {
    for (uint32_t i = 1; i <= times; ++i) {
      peer_->Ring({guest_, vector});
      ASSERT_TRUE(Becomes([&] { return peer_->answers(vector) == i; }))
          << i << ": " << peer_->answers(vector) << " " << vmm_->Output();
      ASSERT_EQ(report().interrupts[vector], i);
    }
  }

  void EndsBy(int signal) {
    vmm_->Signal(signal);
    const absl::StatusOr<std::string> end = vmm_->Wait(kPatience);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(*end, "exit status 0") << vmm_->Output();
  }

  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
  std::unique_ptr<TestPeer> peer_;
  std::unique_ptr<Process> vmm_;
  PeerId guest_ = 0;
};

// The firmware finds one function on bus 0, the device, and nothing beside it.
TEST_F(KvmVmm, TheDeviceIsTheOnlyFunction) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  EXPECT_EQ(report().functions, 1u);
  EXPECT_EQ(report().first_function, 0u);
  EXPECT_EQ(report().first_id, 0x11101af4u);
  EXPECT_EQ(report().position, 1u);
}

// Absent functions, ports and addresses read ones; writes to them are ignored.
TEST_F(KvmVmm, WhatIsAbsentReadsOnes) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  EXPECT_EQ(report().absent_function, kOnes);
  EXPECT_EQ(report().disabled_config, kOnes);
  EXPECT_EQ(report().unclaimed_port, kOnes);
  EXPECT_EQ(report().unclaimed_port_byte, 0xffu);
  EXPECT_EQ(report().unclaimed_memory, kOnes);
}

// The firmware cannot write itself below 4 GiB, and finds its copy below 1 MiB.
TEST_F(KvmVmm, FirmwareIsReadOnly) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  EXPECT_NE(report().rom, kOnes);
  EXPECT_EQ(report().rom_written, report().rom);
  EXPECT_EQ(report().rom_copy, report().rom);
}

// PIC and PIT answer, and RAM goes to where the command line says.
TEST_F(KvmVmm, IsAPc) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  EXPECT_EQ(report().pic_mask, 0xfbu);
  EXPECT_EQ(report().timer_runs, 1u);
  EXPECT_EQ(report().last_ram_works, 1u);
}

// The PIT interrupts by the PIC, also while the device's interrupts have routes
// in the table in which the PIC has its own.
TEST_F(KvmVmm, TheTimerInterrupts) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  ASSERT_NO_FATAL_FAILURE(Exchange(1, 200));
  report().order = kFirmwareTimer;
  peer_->Ring({guest_, 0});
  EXPECT_TRUE(Becomes([&] { return report().ticks >= 3; }));
}

// The processor's APIC id is 0 wherever one looks, whichever of the host's the
// program runs on.
TEST_F(KvmVmm, TheProcessorHasApicId0) {
  cpu_set_t before;
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  int last = CPU_SETSIZE - 1;
  while (!CPU_ISSET(last, &before)) --last;
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(last, &one);
  ASSERT_EQ(sched_setaffinity(0, sizeof(one), &one), 0);
  Start({});
  ASSERT_EQ(sched_setaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(report().cpuid_apic_id, 0u);
  EXPECT_EQ(report().local_apic_id, 0u);
}

struct Mode {
  bool ioeventfd;
  bool irqfd;
};

std::string Text(bool on) { return on ? "on" : "off"; }

class KvmVmmModes : public KvmVmm,
                    public ::testing::WithParamInterface<Mode> {};

// With and without the kernel's help, each ring reaches the guest, and each
// answer the ringer.
TEST_P(KvmVmmModes, EachRingIsAnswered) {
  constexpr uint32_t kRings = 500;
  const Mode mode = GetParam();
  ASSERT_NO_FATAL_FAILURE(
      Start({absl::StrCat("--ioeventfd=", Text(mode.ioeventfd)),
             absl::StrCat("--irqfd=", Text(mode.irqfd))}));
  ASSERT_NO_FATAL_FAILURE(Exchange(0, kRings));
  ASSERT_NO_FATAL_FAILURE(Exchange(1, kRings));
  ASSERT_NO_FATAL_FAILURE(EndsBy(SIGTERM));

  // The program sees what the kernel does not do; with its help only what came
  // before it was set up.
  int doorbells = 0;
  int interrupts = 0;
  const std::string output = vmm_->Output();
  const size_t last_line = output.rfind("kvm_vmm: ");
  ASSERT_NE(last_line, std::string::npos);
  ASSERT_EQ(std::sscanf(output.c_str() + last_line,
                        "kvm_vmm: %d doorbells and %d interrupts went through "
                        "this program\n",
                        &doorbells, &interrupts),
            2)
      << output;
  constexpr int kAll = 2 * kRings;
  if (mode.ioeventfd) {
    EXPECT_LT(doorbells, kAll);
  } else {
    EXPECT_EQ(doorbells, kAll);
  }
  if (mode.irqfd) {
    EXPECT_LT(interrupts, kAll);
  } else {
    // The last is counted when its guest may have answered and ended.
    EXPECT_GE(interrupts, kAll - 1);
    EXPECT_LE(interrupts, kAll);
  }
}

INSTANTIATE_TEST_SUITE_P(All, KvmVmmModes,
                         ::testing::Values(Mode{true, true}, Mode{true, false},
                                           Mode{false, true},
                                           Mode{false, false}),
                         [](const ::testing::TestParamInfo<Mode>& info) {
                           return absl::StrCat("Ioeventfd",
                                               Text(info.param.ioeventfd),
                                               "Irqfd", Text(info.param.irqfd));
                         });

// SIGINT is an end too, wherever the guest is; the server sees the peer go.
TEST_F(KvmVmm, EndsBySigint) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  ASSERT_NO_FATAL_FAILURE(EndsBy(SIGINT));
  EXPECT_TRUE(Becomes([&] { return !peer_->Knows({guest_, 0}); }));
}

// A guest that ends by itself is said, and another status.
TEST_F(KvmVmm, SaysThatTheGuestEnded) {
  ASSERT_NO_FATAL_FAILURE(Start({}));
  report().order = kFirmwareTripleFault;
  peer_->Ring({guest_, 0});
  const absl::StatusOr<std::string> end = vmm_->Wait(kPatience);
  ASSERT_TRUE(end.ok()) << end.status() << vmm_->Output();
  EXPECT_EQ(*end, "exit status 1");
  EXPECT_THAT(vmm_->Output(), HasSubstr("a triple fault"));
}

}  // namespace
}  // namespace ivshmem
