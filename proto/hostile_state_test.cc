// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// States that come from anybody: an error that names the place, and nothing
// else; or a device that is just what the state says.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "backends/mock/host.h"
#include "bus/access.h"
#include "bus/pci/function_state.h"
#include "core/doorbell.h"
#include "core/shared_memory.h"
#include "device/flat_device.h"
#include "device/pci_device.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "ivshmem/proto/device_state.pb.h"
#include "proto/device_state.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr uint64_t kMemorySize = 0x10000;
constexpr uint64_t kRegisters = 0x40000000;
constexpr uint64_t kMemory = 0x60000000;

const PciDevice::Config kMsix = {.vectors = 2, .id = 3};
const FlatDevice::Config kFlat = {.registers_address = kRegisters,
                                  .memory_address = kMemory,
                                  .block = {.id = 3}};

class HostileStateTest : public ::testing::Test {
 protected:
  HostileStateTest() : memory_(kMemorySize) {}

  SharedMemory shared() { return {memory_.data(), memory_.size()}; }

  PciDevice::Host PciHost() {
    return {.mmio = &host_.space(),
            .mapper = &host_.space(),
            .msi = &host_.msi(),
            .intx = &host_.line()};
  }
  FlatDevice::Host FlatHost() {
    return {.mmio = &host_.space(),
            .mapper = &host_.space(),
            .irq = &host_.pulse()};
  }

  // A device whose BARs are placed and decoded.
  PciDeviceState SavedPci(const PciDevice::Config& config = kMsix) {
    auto device = *PciDevice::Create(config, shared(), {});
    const auto set = [&](uint64_t offset, uint32_t value) {
      std::array<uint8_t, 4> bytes;
      StoreLittleEndian(value, absl::MakeSpan(bytes));
      device->ConfigWrite(offset, bytes);
    };
    set(0x10, 0xfe000000);
    set(0x14, 0xfe010000);
    set(0x18, 0xfe020000);
    set(0x04, 0x6);
    return device->Save();
  }
  FlatDeviceState SavedFlat() {
    return (*FlatDevice::Create(kFlat, shared(), {.irq = &host_.pulse()}))
        ->Save();
  }

  // The error of restoring a state that `spoil` changed; the host has heard
  // nothing.
  std::string PciError(const std::function<void(PciDeviceState&)>& spoil,
                       const PciDevice::Config& config = kMsix) {
    PciDeviceState state = SavedPci(config);
    EXPECT_TRUE(PciDevice::Restore(config, shared(), {}, state).ok());
    spoil(state);
    const auto device = PciDevice::Restore(config, shared(), PciHost(), state);
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(host_.log().Take(), IsEmpty());
    return std::string(device.status().message());
  }
  std::string FlatError(const std::function<void(FlatDeviceState&)>& spoil) {
    FlatDeviceState state = SavedFlat();
    spoil(state);
    const auto device = FlatDevice::Restore(kFlat, shared(), FlatHost(), state);
    EXPECT_EQ(device.status().code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(host_.log().Take(), IsEmpty());
    return std::string(device.status().message());
  }

  // The error of reading the bytes of a state that `spoil` changed.
  std::string DecodeError(
      const std::function<void(state::DeviceState&)>& spoil) {
    state::DeviceState state;
    EXPECT_TRUE(state.ParseFromString(EncodeState(SavedPci())));
    spoil(state);
    const auto saved = DecodeState(state.SerializeAsString());
    EXPECT_EQ(saved.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(saved.status().message());
  }

  mock::Host host_;
  std::vector<uint8_t> memory_;
};

// A device is restored only as what it was made as.
TEST_F(HostileStateTest, AnotherDevice) {
  EXPECT_EQ(PciError([](auto& state) { state.device.dialect = "rev0"; }),
            "state.dialect: expected rev1, as configured, got 'rev0'");
  EXPECT_EQ(PciError([](auto& state) {
              state.device.dialect = std::string(100, '\n');
            }).size(),
            PciError([](auto& state) {
              state.device.dialect = std::string(32, '\n');
            }).size())
      << "a long name is cut";
  EXPECT_EQ(PciError([](auto& state) {
              state.device.interrupts = InterruptMode::kIntx;
            }),
            "state.interrupts: expected MSI-X, as configured, got INTx");
  EXPECT_EQ(PciError([](auto& state) { state.device.vectors = 3; }),
            "state.vectors: expected 2, as configured, got 3");
  EXPECT_EQ(PciError([](auto& state) { state.memory.size = 0x8000; }),
            "state.memory.size: expected 65536 bytes, as the memory has, got "
            "32768");
  EXPECT_EQ(PciError([](auto& state) {
              state.memory.access = MemoryAccess::kReadOnly;
            }),
            "state.memory.access: expected read-write, as configured, got "
            "read-only");
}

// What config space says of the function is hardwired.
TEST_F(HostileStateTest, AnotherFunction) {
  using Function = pci::FunctionState;
  const std::pair<const char*, std::function<void(Function&)>> cases[] = {
      {"vendor_id", [](Function& f) { f.vendor_id = 0x8086; }},
      {"device_id", [](Function& f) { ++f.device_id; }},
      {"revision", [](Function& f) { f.revision = 0; }},
      {"class_code", [](Function& f) { f.class_code ^= 0x010000; }},
      {"header_type", [](Function& f) { f.header_type = 0x80; }},
      {"subsystem_vendor_id", [](Function& f) { f.subsystem_vendor_id = 1; }},
      {"subsystem_id", [](Function& f) { f.subsystem_id = 1; }},
      {"command", [](Function& f) { f.command |= 1 << 15; }},
      {"bars[0]", [](Function& f) { f.bars[0] |= 0x10; }},
      {"bars[1]", [](Function& f) { f.bars[1] |= 1; }},
      {"bars[2]", [](Function& f) { f.bars[2] &= ~4u; }},
      {"bars[4]", [](Function& f) { f.bars[4] = 0x1000; }},
      {"bars[5]", [](Function& f) { f.bars[5] = 0x1000; }},
      {"msix_control", [](Function& f) { f.msix_control |= 7; }},
      {"msix", [](Function& f) { f.msix.resize(3); }},
      {"msix", [](Function& f) { f.msix.resize(1); }},
      {"msix", [](Function& f) { f.msix.resize(100000); }},
  };
  for (const auto& [field, spoil] : cases) {
    EXPECT_THAT(
        PciError([&spoil = spoil](auto& state) { spoil(state.function); }),
        HasSubstr(absl::StrCat("state.", field, ": expected ")));
  }
  EXPECT_EQ(PciError([](auto& state) { state.function.command = 0xffff; }),
            "state.command: expected 0x507, as the configuration has the bits "
            "that no guest can change, got 0xffff");
}

// Without MSI-X there is neither control nor table; the upper half of a BAR
// smaller than 4 GiB is the guest's.
TEST_F(HostileStateTest, AnotherPlainFunction) {
  const PciDevice::Config plain = {.interrupts = InterruptMode::kNone};
  EXPECT_THAT(
      PciError([](auto& s) { s.function.msix_control = 0x8000; }, plain),
      HasSubstr("state.msix_control: expected 0,"));
  EXPECT_THAT(PciError([](auto& s) { s.function.msix.resize(1); }, plain),
              HasSubstr("state.msix: expected 0 vectors"));
  EXPECT_THAT(PciError([](auto& s) { s.function.bars[1] = 0xfe010000; }, plain),
              HasSubstr("state.bars[1]: expected 0,"));
}

// Only a BAR that is somewhere can have been refused there.
TEST_F(HostileStateTest, HiddenBars) {
  EXPECT_EQ(PciError([](auto& state) { state.hidden_bars[4] = true; }),
            "state.hidden_bars[4]: expected false, as that BAR has no place, "
            "got true");
}

TEST_F(HostileStateTest, AnotherFlatDevice) {
  EXPECT_EQ(FlatError([](auto& s) { s.registers_address += 4; }),
            "state.registers_address: expected 0x40000000, as configured, got "
            "0x40000004");
  EXPECT_EQ(FlatError([](auto& s) { s.memory_address = 0; }),
            "state.memory_address: expected 0x60000000, as configured, got 0");
  EXPECT_EQ(FlatError([](auto& s) { s.device.registers.mask = 1; }),
            "state.mask: expected 0, as the dialect's register stores nothing, "
            "got 0x1");
  EXPECT_THAT(FlatError([](auto& s) { s.device.registers.status = 1; }),
              HasSubstr("state.status: expected 0"));
  EXPECT_THAT(FlatError([](auto& s) { s.device.vectors = 64; }),
              HasSubstr("state.vectors: expected 2"));
  EXPECT_THAT(FlatError([](auto& s) { s.memory.size += 1; }),
              HasSubstr("state.memory.size: expected 65536"));
}

// A state of a newer library says so, whatever else it holds.
TEST_F(HostileStateTest, Version) {
  EXPECT_EQ(DecodeError([](auto& state) {
              state.set_version(2);
              state.GetReflection()->MutableUnknownFields(&state)->AddVarint(99,
                                                                             1);
            }),
            "state.version: expected 1, got 2, of a newer library");
  EXPECT_EQ(DecodeError([](auto& state) { state.clear_version(); }),
            "state.version: expected 1, got none");
}

// A field that is not known may be a part of what the guest sees.
TEST_F(HostileStateTest, UnknownFields) {
  const auto add = [](auto& message) {
    message.GetReflection()->MutableUnknownFields(&message)->AddVarint(99, 0);
  };
  EXPECT_EQ(DecodeError([&](auto& state) { add(state); }),
            "state: expected fields that this library knows, got field 99, of "
            "a newer one");
  EXPECT_THAT(DecodeError([&](auto& state) { add(*state.mutable_pci()); }),
              HasSubstr("state.pci: expected fields"));
  EXPECT_THAT(DecodeError([&](auto& state) {
                add(*state.mutable_pci()->mutable_msix(1));
              }),
              HasSubstr("state.msix[1]: expected fields"));
  EXPECT_THAT(DecodeError([&](auto& state) { add(*state.mutable_flat()); }),
              HasSubstr("state.flat: expected fields"));
}

// Numbers that do not fit their place.
TEST_F(HostileStateTest, TooWide) {
  const std::pair<const char*, std::function<void(state::DeviceState&)>>
      cases[] = {
          {".vectors: expected 0..2048, got 2049",
           [](auto& s) { s.set_vectors(2049); }},
          {".id: expected 0..65535, got 65536",
           [](auto& s) { s.set_id(65536); }},
          {".interrupts: expected NONE, MSIX, INTX or LINE, got 0",
           [](auto& s) { s.clear_interrupts(); }},
          {".interrupts: expected NONE, MSIX, INTX or LINE, got 77",
           [](auto& s) {
             s.set_interrupts(static_cast<state::DeviceState::Interrupts>(77));
           }},
          {".command: expected 0..65535, got 65536",
           [](auto& s) { s.mutable_pci()->set_command(65536); }},
          {".revision: expected 0..255, got 256",
           [](auto& s) { s.mutable_pci()->set_revision(256); }},
          {".class_code: expected 0..16777215, got 16777216",
           [](auto& s) { s.mutable_pci()->set_class_code(1 << 24); }},
          {".bars: expected 6 registers, got 7",
           [](auto& s) { s.mutable_pci()->add_bars(0); }},
          {".msix: expected at most 2048, got 2049",
           [](auto& s) {
             while (s.pci().msix_size() < 2049) s.mutable_pci()->add_msix();
           }},
          {".hidden_bars: expected ascending numbers below 6, got 6",
           [](auto& s) { s.mutable_pci()->add_hidden_bars(6); }},
          {".hidden_bars: expected ascending numbers below 6, got 1",
           [](auto& s) {
             s.mutable_pci()->add_hidden_bars(1);
             s.mutable_pci()->add_hidden_bars(1);
           }},
          {": expected pci or flat, got neither",
           [](auto& s) { s.clear_pci(); }},
      };
  for (const auto& [error, spoil] : cases) {
    EXPECT_EQ(DecodeError(spoil), absl::StrCat("state", error));
  }
}

TEST_F(HostileStateTest, OtherBytes) {
  const auto error = [](const std::string& bytes) {
    return std::string(DecodeState(bytes).status().message());
  };
  EXPECT_EQ(error(""), "state.version: expected 1, got none");
  EXPECT_EQ(error("nonsense"),
            "state: expected a DeviceState of device_state.proto, got other "
            "bytes");
  EXPECT_EQ(error(std::string(kMostStateBytes + 1, '\0')),
            "state: expected at most 524288 bytes, got 524289");
  EXPECT_THAT(std::string(DecodeStateText("version: x").status().message()),
              HasSubstr("line 1, column 10"));
  EXPECT_THAT(std::string(DecodeStateText(std::string(kMostStateBytes + 1, ' '))
                              .status()
                              .message()),
              HasSubstr("at most 524288"));
}

// Bytes of a state with some of them changed, missing or twice: an error, or a
// device that is saved as it was restored. Nothing outside happens but what a
// guest could have brought about.
RC_GTEST_FIXTURE_PROP(HostileStateTest, SpoiltBytes, ()) {
  const bool flat = *rc::gen::arbitrary<bool>();
  std::string bytes = flat ? EncodeState(SavedFlat()) : EncodeState(SavedPci());
  for (int i = *rc::gen::inRange(1, 4); i > 0; --i) {
    const auto at = *rc::gen::inRange<size_t>(0, bytes.size());
    switch (*rc::gen::inRange(0, 4)) {
      case 0:
        bytes[at] = *rc::gen::arbitrary<char>();
        break;
      case 1:
        bytes[at] ^= static_cast<char>(1 << *rc::gen::inRange(0, 8));
        break;
      case 2:
        bytes.resize(at + 1);
        break;
      default:
        bytes.insert(at, bytes.substr(at, *rc::gen::inRange(1, 20)));
        break;
    }
  }
  const auto saved = DecodeState(bytes);
  RC_TAG(saved.ok() ? "read" : "refused");
  if (!saved.ok()) return;
  if (const auto* state = std::get_if<PciDeviceState>(&*saved)) {
    RC_ASSERT(state->function.msix.size() <= size_t{kMaxVectors});
    const auto device = PciDevice::Restore(kMsix, shared(), PciHost(), *state);
    if (device.ok()) {
      PciDeviceState expected = *state;
      const PciDeviceState again = (*device)->Save();
      for (size_t v = 0; v < expected.function.msix.size(); ++v) {
        // What could be sent was.
        expected.function.msix[v].pending &= again.function.msix[v].pending;
      }
      expected.hidden_bars = again.hidden_bars;  // Where they overlap.
      RC_ASSERT(again == expected);
    } else {
      RC_ASSERT(host_.log().total() == 0u);
    }
  } else {
    const auto& other = std::get<FlatDeviceState>(*saved);
    const auto device = FlatDevice::Restore(kFlat, shared(), FlatHost(), other);
    if (device.ok()) RC_ASSERT((*device)->Save() == other);
  }
}

}  // namespace
}  // namespace ivshmem
