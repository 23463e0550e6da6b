// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// A guest cannot tell that its device is saved and restored: the same program
// runs on a device that stays and on one that after each step is saved to
// bytes, goes, and is restored from them.

#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "bus/pci/registers.h"
#include "core/dialect.h"
#include "core/registers.h"
#include "device/pci_device.h"
#include "gtest/gtest.h"
#include "proto/saved_world.h"
#include "rapidcheck.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

using Kind = Step::Kind;

template <typename T>
rc::Gen<T> OneOf(std::vector<T> values) {
  return rc::gen::elementOf(std::move(values));
}

rc::Gen<uint64_t> Value() {
  return rc::gen::weightedOneOf<uint64_t>(
      {{3, OneOf<uint64_t>({0, 1, 2, 3})},
       {3, OneOf<uint64_t>({~uint64_t{0}, 0x106, 0x406, 0x6, 0x8000, 0xc000})},
       {3, OneOf<uint64_t>({0xfe000000, 0xfe010000, 0xfe020000, 0xfee00000})},
       {2, rc::gen::arbitrary<uint64_t>()}});
}

rc::Gen<Step> AnyStep() {
  const auto size =
      rc::gen::weightedElement<int>({{8, 4}, {2, 8}, {1, 2}, {1, 1}});
  const auto config = rc::gen::weightedOneOf<uint64_t>(
      {{6, OneOf<uint64_t>({pci::kCommand, pci::kMsixControl, pci::kBar0,
                            pci::kBar0 + 4, pci::kBar0 + 8, pci::kBar0 + 12,
                            pci::kInterruptLine, pci::kCacheLineSize})},
       {1, rc::gen::inRange<uint64_t>(0, 256)}});
  const auto bar = rc::gen::inRange(0, 3);
  const auto offset = rc::gen::weightedOneOf<uint64_t>(
      {{4, rc::gen::map(rc::gen::inRange<uint64_t>(0, 12),
                        [](uint64_t i) { return i * 4; })},
       {1, OneOf<uint64_t>({0x800})},
       {1, rc::gen::inRange<uint64_t>(0, 64)}});
  const auto access = [=](Kind kind, const rc::Gen<uint64_t>& where) {
    return rc::gen::build<Step>(
        rc::gen::set(&Step::kind, rc::gen::just(kind)),
        rc::gen::set(&Step::bar, bar), rc::gen::set(&Step::offset, where),
        rc::gen::set(&Step::size, size), rc::gen::set(&Step::value, Value()));
  };
  const auto ring =
      rc::gen::map(rc::gen::inRange<uint64_t>(0, 4), [](uint64_t vector) {
        return Step{.kind = Kind::kBarWrite,
                    .offset = kDoorbellOffset,
                    .value = kPeer << 16 | vector};
      });
  const auto vector_control =
      rc::gen::map(rc::gen::inRange<uint64_t>(0, 6), [](uint64_t i) {
        return Step{.kind = Kind::kBarWrite,
                    .bar = 1,
                    .offset = (i / 2) * 16 + 12,
                    .value = i % 2};
      });
  return rc::gen::weightedOneOf<Step>({
      {2, access(Kind::kConfigRead, config)},
      {5, access(Kind::kConfigWrite, config)},
      {4, access(Kind::kBarRead, offset)},
      {6, access(Kind::kBarWrite, offset)},
      {8, access(Kind::kSignal, rc::gen::inRange<uint64_t>(0, 3))},
      {4, vector_control},
      {3, ring},
      {1, access(Kind::kSetId, rc::gen::just<uint64_t>(0))},
      {1, access(Kind::kReset, rc::gen::just<uint64_t>(0))},
      {1, access(Kind::kPeerComesOrGoes, rc::gen::just<uint64_t>(0))},
  });
}

// As firmware and a driver would, so that programs begin where it matters.
std::vector<Step> FirmwareAndDriver() {
  std::vector<Step> steps = {
      {.kind = Kind::kConfigWrite, .offset = pci::kBar0, .value = 0xfe000000},
      {.kind = Kind::kConfigWrite,
       .offset = pci::kBar0 + 4,
       .value = 0xfe010000},
      {.kind = Kind::kConfigWrite,
       .offset = pci::kBar0 + 8,
       .value = 0xfe020000},
      {.kind = Kind::kConfigWrite, .offset = pci::kCommand, .value = 6}};
  for (uint64_t v = 0; v < 3; ++v) {
    steps.push_back({.kind = Kind::kBarWrite,
                     .bar = 1,
                     .offset = v * 16,
                     .size = 8,
                     .value = 0xfee00000});
    steps.push_back({.kind = Kind::kBarWrite,
                     .bar = 1,
                     .offset = v * 16 + 8,
                     .size = 8,
                     .value = 0x40 + v});
  }
  steps.push_back({.kind = Kind::kConfigWrite,
                   .offset = pci::kMsixControl,
                   .size = 2,
                   .value = pci::kMsixControlEnable});
  steps.push_back({.kind = Kind::kBarWrite, .offset = kMaskOffset, .value = 1});
  return steps;
}

// How much happened in all runs, so that none of this is about nothing.
struct Happened {
  uint64_t pending = 0;
  uint64_t interrupts = 0;
  uint64_t rings = 0;
};

void ExpectSame(SavedWorld& stays, SavedWorld& restored, const Step& step) {
  RC_ASSERT(stays.Do(step) == restored.Do(step));
}

void Compare(const PciDevice::Config* config, const std::vector<Step>& program,
             Happened& happened) {
  SavedWorld stays(config);
  SavedWorld restored(config);
  for (const Step& step : program) {
    RC_LOG() << step << "\n";
    ExpectSame(stays, restored, step);
    restored.SaveAndRestore();
    RC_ASSERT(stays.Seen() == restored.Seen());
    if (config == nullptr) continue;
    for (uint64_t offset = 0; offset < 256; offset += 8) {
      ExpectSame(stays, restored,
                 {.kind = Kind::kConfigRead, .offset = offset, .size = 8});
    }
    for (uint64_t offset : {0, 8, 16, 24, 32, 40, 0x800}) {
      ExpectSame(
          stays, restored,
          {.kind = Kind::kBarRead, .bar = 1, .offset = offset, .size = 8});
    }
    if (config->interrupts != InterruptMode::kMsix) continue;
    happened.pending +=
        restored.Do({.kind = Kind::kBarRead, .bar = 1, .offset = 0x800})[0] != 0
            ? 1
            : 0;
  }
  const std::vector<uint64_t> seen = stays.Seen();
  happened.interrupts += seen[0] + seen[1] + seen[2];
  for (size_t i = seen.size() - 5 - kPeerVectors; i < seen.size() - 5; ++i) {
    happened.rings += seen[i];
  }
}

struct Case {
  const char* name;
  std::optional<PciDevice::Config> config;  // Absent: flat.
};

class DeviceStateModelTest : public ::testing::TestWithParam<Case> {};

TEST_P(DeviceStateModelTest, AGuestCannotTell) {
  const PciDevice::Config* config =
      GetParam().config.has_value() ? &*GetParam().config : nullptr;
  Happened happened;
  EXPECT_TRUE(rc::check([&] {
    std::vector<Step> program =
        *rc::gen::element(FirmwareAndDriver(), std::vector<Step>());
    const auto rest = *rc::gen::container<std::vector<Step>>(AnyStep());
    program.insert(program.end(), rest.begin(), rest.end());
    Compare(config, program, happened);
  }));
  const InterruptMode mode =
      config == nullptr ? InterruptMode::kLine : config->interrupts;
  if (mode == InterruptMode::kNone) return;
  EXPECT_GT(happened.interrupts, 10u);
  EXPECT_GT(happened.rings, 10u);
  if (mode != InterruptMode::kMsix) return;
  EXPECT_GT(happened.pending, 10u);
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, DeviceStateModelTest,
    ::testing::Values(
        Case{"rev1", PciDevice::Config{.vectors = 3, .id = 2}},
        Case{"rev0_intx", PciDevice::Config{.dialect = kRevision0,
                                            .interrupts = InterruptMode::kIntx,
                                            .id = 2}},
        Case{"rev0_msix",
             PciDevice::Config{.dialect = kRevision0, .vectors = 3, .id = 2}},
        Case{"qemu",
             PciDevice::Config{.dialect = kQemu, .vectors = 3, .id = 2}},
        Case{"acrn", PciDevice::Config{.dialect = kAcrn,
                                       .vectors = 3,
                                       .id = 2,
                                       .subsystem_id = 7,
                                       .multi_function = true}},
        Case{"plain", PciDevice::Config{.interrupts = InterruptMode::kNone,
                                        .bar_addresses = {0xfe000000}}},
        Case{"flat", std::nullopt}),
    [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace ivshmem
