// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The two guests from end to end.

#include "examples/two_guests/vmm.h"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "core/dialect.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "testing/kvm/require_kvm.h"

namespace ivshmem::two_guests {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Eq;
using ::testing::Gt;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;
using ::testing::SizeIs;
using ::testing::StartsWith;

VmmResult RunGuests(const VmmConfig& config, const VmmEvents& events = {}) {
  auto result = RunTwoGuests(config, events);
  EXPECT_TRUE(result.ok()) << result.status();
  return result.ok() ? *std::move(result) : VmmResult();
}

// What holds whichever engine runs the x86 guest.
class EnginesTest : public testing::TestWithParam<Engine> {
 protected:
  void SetUp() override {
    if (GetParam() == Engine::kKvm) IVSHMEM_SKIP_WITHOUT_KVM();
  }

  static VmmResult RunGuests(VmmConfig config, const VmmEvents& events = {}) {
    config.engine = GetParam();
    return two_guests::RunGuests(config, events);
  }
};

std::string EngineOf(const testing::TestParamInfo<Engine>& info) {
  return std::string(EngineName(info.param));
}

INSTANTIATE_TEST_SUITE_P(All, EnginesTest,
                         testing::Values(Engine::kUnicorn, Engine::kKvm),
                         EngineOf);

TEST_P(EnginesTest, ExchangesAThousandMessages) {
  const VmmResult result = RunGuests({});
  EXPECT_EQ(result.failure, std::nullopt);
  EXPECT_EQ(result.answered, 1000u);
  // A hello, a request and an answer each, a goodbye.
  EXPECT_EQ(result.doorbells_rung, 2002u);
  EXPECT_EQ(result.doorbells_delivered, 2002u);
  EXPECT_EQ(result.cortex_m.messages_checked, 1001u);
  EXPECT_EQ(result.x86.messages_checked, 1000u);
  EXPECT_GT(result.x86.bytes_sent, 500'000u);
  EXPECT_EQ(result.cortex_m.bytes_checked, result.x86.bytes_sent);
  EXPECT_EQ(result.x86.bytes_checked, result.cortex_m.bytes_sent);
  EXPECT_THAT(result.round_trips_us, AllOf(SizeIs(1000), Each(Gt(0))));
}

TEST_P(EnginesTest, GuestsFindTheirDevices) {
  const VmmResult result = RunGuests({.messages = 1});
  EXPECT_EQ(result.failure, std::nullopt);

  const GuestReport& x86 = result.x86;
  EXPECT_THAT(x86.pci_address, Optional(4u << 3));
  EXPECT_EQ(x86.device_id, 0x11101af4u);
  EXPECT_EQ(x86.class_revision, 0x05000001u);
  EXPECT_EQ(x86.subsystem, 0x11001af4u);
  ASSERT_TRUE(x86.bars[0] && x86.bars[1] && x86.bars[2]);
  EXPECT_EQ(x86.bars[0]->size, 256u);
  EXPECT_EQ(x86.bars[1]->size, 4096u);
  EXPECT_EQ(x86.bars[2]->size, 1u << 20);
  for (int bar = 0; bar < 3; ++bar) {
    EXPECT_EQ(x86.bars[bar]->address % x86.bars[bar]->size, 0u);
  }
  EXPECT_FALSE(x86.bars[3] || x86.bars[4] || x86.bars[5]);
  EXPECT_THAT(x86.vectors, Optional(2u));
  EXPECT_THAT(x86.own_id, Optional(0u));
  EXPECT_THAT(x86.peer_id, Optional(1u));

  const GuestReport& cortex_m = result.cortex_m;
  EXPECT_FALSE(cortex_m.pci_address.has_value());
  EXPECT_THAT(cortex_m.own_id, Optional(1u));
  EXPECT_THAT(cortex_m.peer_id, Optional(0u));
  EXPECT_THAT(cortex_m.interrupts[0], Optional(5u));
}

constexpr uint32_t kSomeMessages[] = {1, 2, 3, 10, 1000};

TEST_P(EnginesTest, ADroppedDoorbellIsFound) {
  for (const uint32_t messages : kSomeMessages) {
    SCOPED_TRACE(messages);
    const VmmResult result =
        RunGuests({.messages = messages, .inject = Inject::kDropDoorbell});
    EXPECT_THAT(result.failure, Optional(StartsWith("a doorbell was lost")));
    EXPECT_EQ(result.answered, (messages - 1) / 2);
    EXPECT_EQ(result.doorbells_rung, messages + 1);
    EXPECT_EQ(result.doorbells_delivered, messages);
  }
}

TEST_P(EnginesTest, AFlippedByteIsFound) {
  for (const uint32_t messages : kSomeMessages) {
    SCOPED_TRACE(messages);
    const VmmResult result =
        RunGuests({.messages = messages, .inject = Inject::kFlipByte});
    EXPECT_THAT(result.failure, Optional(HasSubstr("its checksum is wrong")));
    EXPECT_EQ(result.answered, (messages - 1) / 2);
  }
}

std::vector<std::string> LinesOf(absl::string_view machine,
                                 const std::vector<std::string>& trace) {
  std::vector<std::string> lines;
  for (const std::string& line : trace) {
    if (absl::StartsWith(line, machine)) lines.push_back(line);
  }
  return lines;
}

// Each guest does and gets the same to the last access, whatever runs x86.
TEST_P(EnginesTest, GuestsCannotTellTheEngine) {
  std::vector<std::string> traces[2];
  const auto into = [](std::vector<std::string>& trace) {
    return VmmEvents{.on_trace = [&trace](absl::string_view line) {
      trace.emplace_back(line);
    }};
  };
  RunGuests({.messages = 30}, into(traces[0]));
  two_guests::RunGuests({.messages = 30}, into(traces[1]));
  for (const absl::string_view machine : {"x86", "cortex-m"}) {
    EXPECT_THAT(LinesOf(machine, traces[0]), SizeIs(Gt(50)));
    EXPECT_EQ(LinesOf(machine, traces[0]), LinesOf(machine, traces[1]));
  }
}

// On KVM the kernel rings the x86 guest's doorbells, a request each and the
// goodbye, and interrupts it, for an answer each and the hello; unless each
// access is to be seen. What it did is counted.
TEST(VmmOnKvmTest, TheKernelTakesShortCuts) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  const VmmResult result =
      RunGuests({.messages = 50, .engine = Engine::kKvm}, {});
  EXPECT_EQ(result.failure, std::nullopt);
  EXPECT_EQ(result.rung_by_kernel, 51u);
  EXPECT_EQ(result.delivered_by_kernel, 51u);
  EXPECT_EQ(result.doorbells_rung, 102u);

  const VmmResult traced = RunGuests({.messages = 50, .engine = Engine::kKvm},
                                     {.on_trace = [](absl::string_view) {}});
  EXPECT_EQ(traced.failure, std::nullopt);
  EXPECT_EQ(traced.rung_by_kernel, 0u);
  EXPECT_EQ(traced.delivered_by_kernel, 0u);
  EXPECT_EQ(traced.doorbells_rung, 102u);
}

// A guest that KVM cannot go on with ends the run: its processor shuts down.
TEST(VmmOnKvmTest, AGuestThatCrashesIsFound) {
  IVSHMEM_SKIP_WITHOUT_KVM();
  constexpr uint8_t kUndefined[] = {0x0f, 0x0b};  // ud2
  EXPECT_THAT(
      RunGuests({.engine = Engine::kKvm, .x86_image = kUndefined}).failure,
      Optional(AllOf(StartsWith("x86: the guest failed: "),
                     HasSubstr("triple fault"))));
}

// No clock and no thread decides anything: two runs are the same to the last
// access.
TEST(VmmTest, IsDeterministic) {
  std::vector<std::string> traces[2];
  for (auto& trace : traces) {
    const VmmResult result =
        RunGuests({.messages = 50}, {.on_trace = [&](absl::string_view line) {
                    trace.emplace_back(line);
                  }});
    EXPECT_EQ(result.failure, std::nullopt);
  }
  EXPECT_GT(traces[0].size(), 200u);
  EXPECT_EQ(traces[0], traces[1]);
}

TEST_P(EnginesTest, TracesEachAccess) {
  std::vector<std::string> trace;
  RunGuests({.messages = 1}, {.on_trace = [&](absl::string_view line) {
              trace.emplace_back(line);
            }});
  for (const char* line : {
           "x86       read  config+0x00 4 = 11101af4  device id, vendor id",
           "x86       write config+0x10 4 = ffffffff  BAR0",
           "x86       read  config+0x10 4 = ffffff00  BAR0",
           "x86       write bar1+0x08 4 = 00000040  MSI-X entry 0 data",
           "x86       read  bar0+0x08 4 = 00000000  IVPosition",
           "cortex-m  read  registers+0x08 4 = 00000001  IVPosition",
           "x86       write bar0+0x0c 4 = 00010000  doorbell → peer 1 vector "
           "0: delivered",
           "cortex-m  interrupt vector 0: delivered",
           "cortex-m  write registers+0x0c 4 = 00000000  doorbell → peer 0 "
           "vector 0: delivered",
       }) {
    EXPECT_THAT(trace, Contains(line));
  }
  trace.clear();
  RunGuests(
      {.messages = 1, .inject = Inject::kDropDoorbell},
      {.on_trace = [&](absl::string_view line) { trace.emplace_back(line); }});
  ASSERT_FALSE(trace.empty());
  EXPECT_EQ(trace.back(),
            "x86       write bar0+0x0c 4 = 00010000  doorbell: dropped on "
            "purpose (--inject)");
}

TEST_P(EnginesTest, TellsHowItGetsOn) {
  std::vector<uint32_t> progress;
  int met = 0;
  VmmEvents events;
  events.on_met = [&](const GuestReport& x86, const GuestReport& cortex_m) {
    ++met;
    EXPECT_TRUE(x86.own_id && x86.peer_id && cortex_m.own_id);
    EXPECT_THAT(progress, IsEmpty());
  };
  events.on_progress = [&](uint32_t answered) { progress.push_back(answered); };
  RunGuests({.messages = 3}, events);
  EXPECT_EQ(met, 1);
  EXPECT_THAT(progress, ElementsAre(1, 2, 3));
}

TEST_P(EnginesTest, GuestSaysWhenItsDeviceWillNotDo) {
  VmmConfig one_vector;
  one_vector.devices.pc.device.vectors = 1;
  EXPECT_THAT(RunGuests(one_vector).failure,
              Optional(StartsWith("x86: the device has no MSI-X")));
  VmmConfig little_memory;
  little_memory.devices.region.size = 16 << 10;
  EXPECT_THAT(RunGuests(little_memory).failure,
              Optional(HasSubstr("too small for the rings")));
}

TEST(VmmTest, RefusesABadConfig) {
  EXPECT_FALSE(RunTwoGuests({.messages = 0}, {}).ok());
  EXPECT_FALSE(RunTwoGuests({.messages = kMaxMessages + 1}, {}).ok());
  VmmConfig odd_size;
  odd_size.devices.region.size = 3 << 16;
  EXPECT_FALSE(RunTwoGuests(odd_size, {}).ok());
  VmmConfig many_vectors;
  many_vectors.devices.pc.device.vectors = 5000;
  EXPECT_FALSE(RunTwoGuests(many_vectors, {}).ok());
}

// The devices are where the configuration has them, and the guests find them
// there: another slot, another dialect, other ids.
TEST_P(EnginesTest, GuestsFindWhatTheConfigurationSays) {
  VmmConfig config = {.messages = 5};
  config.devices.pc.slot = 9;
  config.devices.pc.device.dialect = kAcrn;
  config.devices.pc.device.vectors = 0;
  config.devices.pc_id = 7;
  config.devices.board_id = 300;
  const VmmResult result = RunGuests(config);
  EXPECT_THAT(result.failure, Eq(std::nullopt));
  EXPECT_THAT(result.x86.own_id, Optional(7u));
  EXPECT_THAT(result.x86.peer_id, Optional(300u));
  EXPECT_THAT(result.x86.vectors, Optional(8u));
}

// Guests that do what they should not end the run; they do not hold it up.
TEST_P(EnginesTest, AGuestThatSpinsIsFound) {
  constexpr uint8_t kSpin[] = {0xeb, 0xfe};  // jmp .
  EXPECT_THAT(RunGuests({.x86_image = kSpin}).failure,
              Optional(HasSubstr("run but do not get on: 0 of 1000")));
}

TEST(VmmTest, AGuestThatReportsForEverIsFound) {
  constexpr uint8_t kBabble[] = {
      0xb8, 0x61, 0x00, 0x00, 0x00,  // mov $kReportAnswerChecked, %eax
      0x66, 0xba, 0x04, 0x06,        // mov $0x604, %dx
      0xef,                          // 1: out %eax, %dx
      0xeb, 0xfd,                    // jmp 1b
  };
  const VmmResult result = RunGuests({.x86_image = kBabble});
  EXPECT_THAT(result.failure, Optional(HasSubstr("run but do not get on")));
  EXPECT_THAT(result.round_trips_us, IsEmpty());
}

TEST(VmmTest, AGuestThatCountsForEverIsFound) {
  constexpr uint8_t kCount[] = {
      0x31, 0xdb,                    // xor %ebx, %ebx
      0x43,                          // 1: inc %ebx
      0x89, 0xd8,                    // mov %ebx, %eax
      0x66, 0xba, 0x00, 0x06,        // mov $0x600, %dx
      0xef,                          // out %eax, %dx
      0xb8, 0x61, 0x00, 0x00, 0x00,  // mov $kReportAnswerChecked, %eax
      0x66, 0xba, 0x04, 0x06,        // mov $0x604, %dx
      0xef,                          // out %eax, %dx
      0xeb, 0xec,                    // jmp 1b
  };
  const VmmResult result = RunGuests({.messages = 10, .x86_image = kCount});
  EXPECT_THAT(result.failure, Optional(HasSubstr("run but do not get on")));
  EXPECT_EQ(result.answered, 10u);
  EXPECT_THAT(result.round_trips_us, SizeIs(10));
}

// Says that it is done though it has done nothing.
constexpr uint8_t kX86Lie[] = {
    0xb8, 0x80, 0x00, 0x00, 0x00,  // mov $kReportDone, %eax
    0x66, 0xba, 0x04, 0x06,        // mov $0x604, %dx
    0xef,                          // out %eax, %dx
    0xf4,                          // hlt
};
constexpr uint8_t kCortexMLie[] = {
    0x00, 0x00, 0x01, 0x20,  // Stack.
    0x09, 0x00, 0x00, 0x00,  // Reset.
    0x80, 0x20,              // movs r0, #kReportDone
    0x01, 0x49,              // ldr r1, 1f
    0x08, 0x60,              // str r0, [r1]
    0xfe, 0xe7,              // b .
    0x04, 0x00, 0x01, 0x40,  // 1: the event register
};

TEST_P(EnginesTest, AGuestThatLiesIsFound) {
  EXPECT_THAT(RunGuests({.x86_image = kX86Lie}).failure,
              Optional(StartsWith("the guests wait for ever")));
  EXPECT_THAT(
      RunGuests({.x86_image = kX86Lie, .cortex_m_image = kCortexMLie}).failure,
      Optional(std::string("messages answered: expected 1000, got 0")));
}

TEST(VmmTest, AGuestThatCrashesIsFound) {
  constexpr uint8_t kUndefined[] = {0x0f, 0x0b};  // ud2
  EXPECT_THAT(RunGuests({.x86_image = kUndefined}).failure,
              Optional(StartsWith("x86: the guest failed in the code at "
                                  "0x100000")));
  // Stack, and a reset vector that leads nowhere.
  constexpr uint8_t kNoReset[] = {0, 0, 1, 0x20, 1, 0, 0, 0x30};
  EXPECT_THAT(RunGuests({.cortex_m_image = kNoReset}).failure,
              Optional(StartsWith("cortex-m: the guest failed")));
}

TEST(VmmTest, RefusesAnImageThatIsNone) {
  constexpr uint8_t kShort[] = {0};
  EXPECT_FALSE(RunTwoGuests({.cortex_m_image = kShort}, {}).ok());
}

TEST(PercentileTest, IsTheValueThatSoManyDoNotExceed) {
  const std::vector<double> values = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10};
  EXPECT_EQ(Percentile(values, 50), 5);
  EXPECT_EQ(Percentile(values, 90), 9);
  EXPECT_EQ(Percentile(values, 99), 10);
  EXPECT_EQ(Percentile(values, 100), 10);
  EXPECT_EQ(Percentile(values, 0), 1);
  EXPECT_EQ(Percentile({7.0}, 50), 7);
  EXPECT_EQ(Percentile({}, 50), 0);
}

}  // namespace
}  // namespace ivshmem::two_guests
