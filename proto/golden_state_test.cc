// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Devices that were saved once are restored for ever (testdata/states/README).

#include <array>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/span.h"
#include "bus/interrupt_lines.h"
#include "bus/mmio_handler.h"
#include "core/dialect.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/memory_state.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"
#include "proto/device_state.h"

namespace ivshmem {
namespace {

constexpr uint64_t kMemorySize = 0x10000;

// What a device was made as when it was saved.
struct Golden {
  const char* name;
  std::optional<PciDevice::Config> pci;  // Absent: the flat device.
  MemoryRole flat_role = MemoryRole::kAuto;
};

const Golden kGoldens[] = {
    {"rev1_msix", PciDevice::Config{.vectors = 3}},
    {"rev0_intx", PciDevice::Config{.dialect = kRevision0,
                                    .interrupts = InterruptMode::kIntx}},
    {"rev0_msix", PciDevice::Config{.dialect = kRevision0, .vectors = 1}},
    {"qemu", PciDevice::Config{.dialect = kQemu, .vectors = 2}},
    {"acrn",
     PciDevice::Config{
         .dialect = kAcrn, .subsystem_id = 7, .multi_function = true}},
    {"plain", PciDevice::Config{.interrupts = InterruptMode::kNone,
                                .access = MemoryAccess::kReadOnly}},
    {"flat", std::nullopt},
    {"rev1_owner", PciDevice::Config{.vectors = 3, .role = MemoryRole::kOwner}},
    {"rev1_peer", PciDevice::Config{.vectors = 3, .role = MemoryRole::kPeer}},
    {"flat_peer", std::nullopt, MemoryRole::kPeer},
};

class NoPulse : public PulseSink {
 public:
  void Pulse() noexcept override {}
};

std::string ReadFile(const std::string& name) {
  std::ifstream file(absl::StrCat("testdata/states/", name), std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

// One line for each 16 bytes that are not all zeros: "config 010: 00 00 ...".
void Dump(const char* place, MmioHandler& range, uint64_t size,
          std::string& to) {
  for (uint64_t offset = 0; offset < size; offset += 16) {
    std::string line = absl::StrFormat("%s %03x:", place, offset);
    bool zeros = true;
    for (uint64_t at = offset; at < offset + 16; at += 4) {
      std::array<uint8_t, 4> bytes;
      range.Read(at, absl::MakeSpan(bytes));
      for (const uint8_t byte : bytes) {
        absl::StrAppendFormat(&line, " %02x", byte);
        zeros = zeros && byte == 0;
      }
    }
    if (!zeros) absl::StrAppend(&to, line, "\n");
  }
}

// All that a guest can see of a restored device. Reading Status may clear it,
// so this comes last.
std::string Guest(const Golden& golden, const SavedDevice& saved) {
  std::vector<uint8_t> memory(kMemorySize);
  const SharedMemory shared = {memory.data(), memory.size()};
  std::string seen;
  if (golden.pci.has_value()) {
    const auto device = PciDevice::Restore(*golden.pci, shared, {},
                                           std::get<PciDeviceState>(saved));
    if (!device.ok()) return std::string(device.status().message());
    EXPECT_EQ(SavedDevice((*device)->Save()), saved);
    Dump("config", (*device)->config(), 0x100, seen);
    Dump("msix", (*device)->bar(PciDevice::kMsixBar),
         (*device)->function().BarSize(PciDevice::kMsixBar), seen);
    Dump("registers", (*device)->bar(PciDevice::kRegisterBar), 0x100, seen);
    return seen;
  }
  NoPulse irq;
  const auto device = FlatDevice::Restore({.registers_address = 0x40000000,
                                           .memory_address = 0x60000000,
                                           .role = golden.flat_role},
                                          shared, {.irq = &irq},
                                          std::get<FlatDeviceState>(saved));
  if (!device.ok()) return std::string(device.status().message());
  EXPECT_EQ(SavedDevice((*device)->Save()), saved);
  Dump("registers", (*device)->block().registers(), 16, seen);
  return seen;
}

class GoldenStateTest : public ::testing::TestWithParam<Golden> {};

TEST_P(GoldenStateTest, IsRestored) {
  const std::string name = GetParam().name;
  const auto saved = DecodeState(ReadFile(name + ".state"));
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(Guest(GetParam(), *saved), ReadFile(name + ".guest"));

  const auto text = DecodeStateText(ReadFile(name + ".textproto"));
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_EQ(*text, *saved);
}

// As long as the format is what it was then: the same state, the same bytes.
TEST_P(GoldenStateTest, IsSavedTheSame) {
  const std::string bytes = ReadFile(absl::StrCat(GetParam().name, ".state"));
  const auto saved = DecodeState(bytes);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(EncodeState(*saved), bytes);
}

INSTANTIATE_TEST_SUITE_P(All, GoldenStateTest, ::testing::ValuesIn(kGoldens),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ivshmem
