// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/report.h"

#include <algorithm>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

VmmResult Result() {
  VmmResult result;
  GuestReport& x86 = result.x86;
  x86.pci_address = 4 << 3;
  x86.device_id = 0x11101af4;
  x86.class_revision = 0x05000001;
  x86.subsystem = 0x11001af4;
  x86.bars[0] = ReportedBar{0xe0000000, 256};
  x86.bars[1] = ReportedBar{0xe0001000, 4096};
  x86.bars[2] = ReportedBar{0xe0100000, 1 << 20};
  x86.vectors = 2;
  x86.interrupts[0] = 0x40;
  x86.interrupts[1] = 0x41;
  x86.own_id = 0;
  x86.peer_id = 1;
  x86.messages_checked = 2000;
  x86.bytes_checked = 1234567;
  x86.done = true;
  GuestReport& cortex_m = result.cortex_m;
  cortex_m.bars[0] = ReportedBar{0x40000000, 16};
  cortex_m.bars[2] = ReportedBar{0x60000000, 0};
  cortex_m.interrupts[0] = 5;
  cortex_m.own_id = 1;
  cortex_m.peer_id = 0;
  cortex_m.messages_checked = 2001;
  cortex_m.bytes_checked = 999;
  cortex_m.done = true;
  result.answered = 2000;
  result.doorbells_rung = 4002;
  result.doorbells_delivered = 4002;
  for (int i = 1; i <= 1000; ++i) result.round_trips_us.push_back(i);
  result.seconds = 1.5;
  return result;
}

std::string Show(const VmmResult& result, bool live) {
  std::ostringstream out;
  Report report(out, live, 2000);
  report.OnEngine({Engine::kUnicorn, "asked for"}, false);
  report.OnMet(result.x86, result.cortex_m);
  for (uint32_t i = 1; i <= result.answered; ++i) report.OnProgress(i);
  report.OnResult(result);
  return out.str();
}

TEST(ReportTest, ShowsTheRunOnOneScreen) {
  EXPECT_EQ(
      Show(Result(), false),
      R"(The x86 guest runs on Unicorn (asked for), the Cortex-M guest on Unicorn.

Two guests share memory and ring each other. What each of them sees of its device:

                   x86, a PC with PCI                    Cortex-M, a board without
  ivshmem device   found at 00:04.0                      known to the board
  identity         1af4:1110, revision 1, class 0500     -
  subsystem        1af4:1100                             -
  registers        BAR0 at e0000000, 256 B               at 40000000, 16 B
  MSI-X table      BAR1 at e0001000, 4 KiB               -
  shared memory    BAR2 at e0100000, 1 MiB               at 60000000
  interrupts       2 vectors, now interrupts 0x40, 0x41  IRQ line 5
  its own id       0                                     1
  the other's id   1                                     0

  [========================================] 2,000 of 2,000 messages answered

  messages         2,001 checked by Cortex-M, 2,000 checked by x86
  bytes            999 checked by Cortex-M, 1,234,567 checked by x86
  doorbells        4,002 rung, 4,002 delivered
  round trip       p50 500 µs, p90 900 µs, p99 990 µs, max 1000 µs
  time             1.50 s, engine unicorn

OK: every message came whole, and no doorbell was lost
)");
}

// The first lines say which engine runs and why, and on KVM what the kernel
// does; of this the numbers tell how much it was.
TEST(ReportTest, SaysWhatTheKernelDoes) {
  std::ostringstream out;
  Report report(out, false, 2000);
  report.OnEngine({Engine::kKvm, "/dev/kvm can be used"}, true);
  VmmResult result = Result();
  result.rung_by_kernel = 2001;
  result.delivered_by_kernel = 1999;
  report.OnResult(result);
  EXPECT_THAT(out.str(),
              StartsWith("The x86 guest runs on KVM (/dev/kvm can be used), "
                         "the Cortex-M guest on Unicorn.\n"
                         "The kernel rings the x86 guest's doorbells and "
                         "interrupts it.\n\nTwo guests share"));
  EXPECT_THAT(out.str(),
              HasSubstr("  doorbells        4,002 rung, 4,002 delivered\n"
                        "  by the kernel    2,001 rung, 1,999 delivered, past "
                        "the device\n"));
  EXPECT_THAT(out.str(), HasSubstr("engine kvm\n"));
}

TEST(ReportTest, SaysThatTheKernelDoesNothing) {
  std::ostringstream out;
  Report(out, false, 1).OnEngine({Engine::kKvm, "asked for"}, false);
  EXPECT_EQ(out.str(),
            "The x86 guest runs on KVM (asked for), the Cortex-M guest on "
            "Unicorn.\nNo doorbell or interrupt goes past this program, for "
            "--trace or --inject.\n\n");
}

TEST(ReportTest, RewritesTheProgressLineOnlyWhenLive) {
  const std::string plain = Show(Result(), false);
  EXPECT_EQ(std::count(plain.begin(), plain.end(), '\r'), 0);
  const std::string live = Show(Result(), true);
  const auto rewrites = std::count(live.begin(), live.end(), '\r');
  EXPECT_GE(rewrites, 100);
  EXPECT_LE(rewrites, 102);
  // What stays on the screen is the same.
  EXPECT_THAT(live, EndsWith(plain.substr(plain.find("] 2,000"))));
  EXPECT_THAT(live, HasSubstr("\r  [==========          "));
}

TEST(ReportTest, EndsWithWhatFailed) {
  VmmResult result = Result();
  result.failure = "x86: message 7: its checksum is wrong";
  result.answered = 6;
  result.cortex_m.done = false;
  const std::string text = Show(result, false);
  EXPECT_THAT(text,
              EndsWith("\nFAILED: x86: message 7: its checksum is wrong\n"));
  EXPECT_THAT(text, HasSubstr("6 of 2,000 messages answered"));
  EXPECT_THAT(text, HasSubstr("Cortex-M did not finish, 2,000 checked by x86"));
}

TEST(ReportTest, ShowsTheMachinesThoughTheGuestsNeverMet) {
  std::ostringstream out;
  VmmResult result;
  result.failure = "x86: no ivshmem device on the PCI bus";
  Report(out, false, 10).OnResult(result);
  EXPECT_THAT(out.str(), HasSubstr("ivshmem device"));
  EXPECT_THAT(out.str(), HasSubstr("0 of 10 messages"));
}

}  // namespace
}  // namespace ivshmem::two_guests
