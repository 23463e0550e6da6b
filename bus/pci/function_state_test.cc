// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bus/pci/function_state.h"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "bus/pci/bars.h"
#include "bus/pci/config_space.h"
#include "bus/pci/function_spec.h"
#include "bus/pci/msix_state.h"
#include "bus/pci/registers.h"
#include "gtest/gtest.h"

// Configuration space as plain values, and back.
namespace ivshmem::pci {
namespace {

using Bytes = std::vector<uint8_t>;

// Six BARs, and no two neighbours of the header alike.
FunctionSpec SixBars() {
  FunctionSpec spec = {.vendor_id = 0x1234,
                       .device_id = 0x5678,
                       .revision = 0x9a,
                       .class_code = 0xabcdef,
                       .subsystem_vendor_id = 0x8765,
                       .subsystem_id = 0x4321,
                       .multi_function = true,
                       .intx = true};
  for (auto& bar : spec.bars) bar = {.size = 16};
  return spec;
}

// The same, with MSI-X in place of BAR 1.
FunctionSpec WithMsix() {
  FunctionSpec spec = SixBars();
  spec.bars[1].reset();
  spec.msix_vectors = 2;
  return spec;
}

// What a guest may write to `SixBars()`, each register in its own way.
FunctionState Written() {
  FunctionState state = SaveConfig(InitialConfig(SixBars()));
  state.command = kCommandMemorySpace | kCommandInterruptDisable;
  state.cache_line_size = 0x10;
  state.interrupt_line = 0x0b;
  state.bars = {0xf0000010, 0xf1000020, 0xf2000030,
                0xf3000040, 0xf4000050, 0xf5000060};
  return state;
}

Bytes ReadAll(const ConfigSpace& config) {
  Bytes bytes(ConfigSpace::kSize, 0xaa);
  config.Read(0, absl::MakeSpan(bytes));
  return bytes;
}

std::string RestoreError(const FunctionSpec& spec, const FunctionState& state) {
  return std::string(RestoreConfig(spec, state).status().message());
}

// Each value is a register's, as PCI Local Bus 3.0, 6.1 has them.
TEST(FunctionStateTest, SaysWhatTheRegistersHold) {
  const FunctionSpec spec = SixBars();
  ConfigSpace config = InitialConfig(spec);
  config.Set16(0x04, 0x0402);
  config.Set8(0x0c, 0x10);
  config.Set8(0x3c, 0x0b);
  const FunctionState expected = Written();
  for (int bar = 0; bar < kBars; ++bar) {
    config.Set32(0x10 + 4 * bar, expected.bars[bar]);
  }
  const FunctionState state = SaveConfig(config);
  EXPECT_EQ(state, expected);
  EXPECT_EQ(state.vendor_id, 0x1234);
  EXPECT_EQ(state.device_id, 0x5678);
  EXPECT_EQ(state.revision, 0x9a);
  EXPECT_EQ(state.class_code, 0xabcdefu);
  EXPECT_EQ(state.header_type, 0x80);
  EXPECT_EQ(state.subsystem_vendor_id, 0x8765);
  EXPECT_EQ(state.subsystem_id, 0x4321);
  EXPECT_EQ(state.msix_control, 0);
}

// A state that says nothing is that of the function of which nothing is said.
TEST(FunctionStateTest, NothingIsTheLeastFunctions) {
  EXPECT_EQ(SaveConfig(InitialConfig({})), FunctionState());
}

// What was saved is there again, register by register.
TEST(FunctionStateTest, RestoresWhatWasSaved) {
  const FunctionSpec spec = SixBars();
  const auto config = RestoreConfig(spec, Written());
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(SaveConfig(*config), Written());
  for (int bar = 0; bar < kBars; ++bar) {
    EXPECT_EQ(config->Get32(0x10 + 4 * bar), Written().bars[bar]) << bar;
  }
  EXPECT_EQ(config->Get16(0x04), 0x0402);
  EXPECT_EQ(config->Get8(0x0c), 0x10);
  EXPECT_EQ(config->Get8(0x3c), 0x0b);
}

// All that is not in a state is the spec's, and what a guest may write after
// is what it may write to a new function.
TEST(FunctionStateTest, TheRestIsTheSpecs) {
  const FunctionSpec spec = SixBars();
  ConfigSpace fresh = InitialConfig(spec);
  auto config = RestoreConfig(spec, SaveConfig(fresh));
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(ReadAll(*config), ReadAll(fresh));
  const Bytes ones(ConfigSpace::kSize, 0xff);
  fresh.Write(0, ones);
  config->Write(0, ones);
  EXPECT_EQ(ReadAll(*config), ReadAll(fresh));
}

// Enable and Function Mask are a guest's; the size of the table is not.
TEST(FunctionStateTest, MsixControl) {
  const FunctionSpec spec = WithMsix();
  FunctionState state = SaveConfig(InitialConfig(spec));
  EXPECT_EQ(state.msix_control, 1);
  state.msix_control |= kMsixControlEnable | kMsixControlFunctionMask;
  state.msix = MsixState(2);
  const auto config = RestoreConfig(spec, state);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->Get16(0x42), 0xc001);
  state.msix_control ^= 1;
  EXPECT_EQ(RestoreError(spec, state),
            "state.msix_control: expected 0xc001, as the configuration has the "
            "bits that no guest can change, got 0xc000");
}

// The table has as many entries as are configured.
TEST(FunctionStateTest, MsixHasTheSpecsVectors) {
  FunctionState state = SaveConfig(InitialConfig(WithMsix()));
  for (const size_t vectors : {0, 1, 3}) {
    state.msix = MsixState(vectors);
    EXPECT_EQ(RestoreError(WithMsix(), state),
              "state.msix: expected 2 vectors, as configured, got " +
                  std::to_string(vectors));
  }
}

// A function is restored as what it was made as: whatever differs in a bit that
// no guest can change is refused, and named.
TEST(FunctionStateTest, OfAnotherFunction) {
  struct Case {
    std::string field;
    std::function<void(FunctionState&)> change;
  };
  std::vector<Case> cases = {
      {"vendor_id", [](auto& state) { state.vendor_id ^= 0x100; }},
      {"device_id", [](auto& state) { state.device_id ^= 0x100; }},
      {"revision", [](auto& state) { state.revision ^= 1; }},
      {"class_code", [](auto& state) { state.class_code ^= 1; }},
      {"class_code", [](auto& state) { state.class_code ^= 0x800000; }},
      {"class_code", [](auto& state) { state.class_code ^= 0x1000000; }},
      {"header_type", [](auto& state) { state.header_type = 0; }},
      {"subsystem_vendor_id",
       [](auto& state) { state.subsystem_vendor_id ^= 0x100; }},
      {"subsystem_id", [](auto& state) { state.subsystem_id ^= 0x100; }},
      {"command", [](auto& state) { state.command ^= 0x8000; }},
      {"msix_control", [](auto& state) { state.msix_control = 0x8000; }},
  };
  for (int bar = 0; bar < kBars; ++bar) {
    cases.push_back({"bars[" + std::to_string(bar) + "]",
                     [bar](auto& state) { state.bars[bar] |= 8; }});
  }
  for (const Case& c : cases) {
    FunctionState state = Written();
    c.change(state);
    EXPECT_EQ(RestoreError(SixBars(), state).find("state." + c.field + ": "),
              0u)
        << c.field << ": " << RestoreError(SixBars(), state);
  }
}

// A BAR that is not there holds 0.
TEST(FunctionStateTest, AMissingBar) {
  for (int bar = 0; bar < kBars; ++bar) {
    FunctionSpec spec = SixBars();
    spec.bars[bar].reset();
    FunctionState state = SaveConfig(InitialConfig(spec));
    state.bars[bar] = 0xf0000000;
    EXPECT_EQ(RestoreError(spec, state),
              "state.bars[" + std::to_string(bar) +
                  "]: expected 0, as the configuration has the bits that no "
                  "guest can change, got 0xf0000000");
  }
}

}  // namespace
}  // namespace ivshmem::pci
