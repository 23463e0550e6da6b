// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/bytes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <utility>

#include "script/record.h"
#include "script/worlds.h"

namespace ivshmem::script {
namespace {

constexpr size_t kHead = 2;

// How much `other` is like `world`: all the same, or so many devices that are.
size_t Likeness(const config::World& world, const config::World& other) {
  if (world.SerializeAsString() == other.SerializeAsString()) return SIZE_MAX;
  size_t alike = 0;
  for (int i = 0; i < std::min(world.devices_size(), other.devices_size());
       ++i) {
    const config::Device& a = world.devices(i);
    const config::Device& b = other.devices(i);
    if (a.bus_case() != b.bus_case()) continue;
    alike += 4;
    alike += a.pci().dialect() == b.pci().dialect() ? 2 : 0;
    alike += a.pci().interrupts() == b.pci().interrupts() ? 2 : 0;
    alike += a.flat().has_irq() == b.flat().has_irq() ? 1 : 0;
    alike += a.read_only() == b.read_only() ? 1 : 0;
  }
  return 2 * alike + (world.devices_size() == other.devices_size() ? 1 : 0);
}

size_t MostLike(const config::World& world) {
  const std::vector<config::World>& worlds = Worlds();
  const auto found = std::max_element(
      worlds.begin(), worlds.end(),
      [&world](const config::World& a, const config::World& b) {
        return Likeness(world, a) < Likeness(world, b);
      });
  return found - worlds.begin();
}

// The most that `script` begins with.
Stage StageOf(const Script& script, const config::World& world) {
  for (int i = 0; i < kStages; ++i) {
    const auto stage = static_cast<Stage>(i);
    const std::vector<Step> steps = StepsOf(stage, world);
    if (std::equal(
            steps.begin(), steps.end(), script.steps().begin(),
            script.steps().begin() +
                std::min(static_cast<int>(steps.size()), script.steps_size()),
            [](const Step& a, const Step& b) {
              return a.SerializeAsString() == b.SerializeAsString();
            })) {
      return stage;
    }
  }
  return Stage::kNothing;
}

// `step` of the device that has in `to` the place that its own has in `from`.
Step Translated(const Step& step, const config::World& from,
                const config::World& to) {
  Step translated = step;
  for (int i = 0; i < std::min(from.devices_size(), to.devices_size()); ++i) {
    if (step.device() != from.devices(i).name()) continue;
    translated.set_device(to.devices(i).name());
  }
  return translated;
}

}  // namespace

Script Decode(absl::Span<const uint8_t> bytes) {
  const std::vector<config::World>& worlds = Worlds();
  const config::World& world =
      worlds[bytes.empty() ? 0 : bytes[0] % worlds.size()];
  const auto stage =
      static_cast<Stage>(bytes.size() < kHead ? 0 : bytes[1] % kStages);
  Script script;
  *script.mutable_world() = world;
  for (Step& step : StepsOf(stage, world)) {
    *script.add_steps() = std::move(step);
  }
  for (int i = 0; i < kMostSteps; ++i) {
    Record record;
    const size_t begin = kHead + i * record.size();
    if (begin + record.size() > bytes.size()) break;
    std::copy_n(bytes.begin() + begin, record.size(), record.begin());
    *script.add_steps() = ToStep(record, world);
  }
  return script;
}

std::vector<uint8_t> Encode(const Script& script) {
  const size_t world = MostLike(script.world());
  const Stage stage = StageOf(script, Worlds()[world]);
  std::vector<uint8_t> bytes = {static_cast<uint8_t>(world),
                                static_cast<uint8_t>(stage)};
  const auto done = StepsOf(stage, Worlds()[world]).size();
  for (int i = static_cast<int>(done); i < script.steps_size(); ++i) {
    const std::optional<Record> record =
        ToRecord(Translated(script.steps(i), script.world(), Worlds()[world]),
                 Worlds()[world]);
    if (record) bytes.insert(bytes.end(), record->begin(), record->end());
  }
  return bytes;
}

}  // namespace ivshmem::script
