// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/fuzzed_script.h"

#include <algorithm>

#include "script/bytes.h"
#include "script/worlds.h"

namespace ivshmem::script {
namespace {

// Vectors of one peer. Each that arrives costs a device with short cuts time
// with the number of those that are there.
constexpr uint32_t kMostVectors = 64;

bool IsOfConfigOrMsix(const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return step.read().has_config() || step.read().has_msix();
    case Step::kWrite:
      return step.write().has_config() || step.write().has_msix();
    case Step::kInterrupt:
    case Step::kReset:
      return true;
    default:
      return false;
  }
}

bool IsOfRegisters(const Step& step) {
  switch (step.operation_case()) {
    case Step::kRead:
      return !step.read().has_msix();
    case Step::kWrite:
      return !step.write().has_msix();
    case Step::kPeerJoins:
    case Step::kPeerLeaves:
    case Step::kInterrupt:
    case Step::kSetId:
    case Step::kReset:
      return true;
    default:
      return false;
  }
}

bool IsAny(const Step& step) {
  return step.operation_case() != Step::OPERATION_NOT_SET;
}

Acceleration ShortCuts(absl::Span<const uint8_t> bytes,
                       const config::World& world) {
  const int chosen = bytes.size() < 2 ? 0 : bytes[1] / kStages % 3;
  if (chosen == 1) return Acceleration::kLimited;
  return chosen == 2 && AreUnseen(Acceleration::kSwallowing, world)
             ? Acceleration::kSwallowing
             : Acceleration::kAll;
}

}  // namespace

bool AreUnseen(Acceleration short_cuts, const config::World& world) {
  // Its smaller writes of the doorbell can tell (acceleration.h).
  return short_cuts != Acceleration::kSwallowing ||
         std::none_of(world.devices().begin(), world.devices().end(),
                      [](const config::Device& device) {
                        return device.pci().dialect() == config::Pci::QEMU;
                      });
}

StepFilter StepFilterOf(absl::string_view target) {
  if (target == "config_msix") return IsOfConfigOrMsix;
  if (target == "registers") return IsOfRegisters;
  if (target == "world") return IsAny;
  return nullptr;
}

FuzzedScript DecodeFuzzed(absl::Span<const uint8_t> bytes, StepFilter wanted) {
  FuzzedScript fuzzed = {.script = Decode(bytes)};
  fuzzed.short_cuts = ShortCuts(bytes, fuzzed.script.world());
  auto& steps = *fuzzed.script.mutable_steps();
  steps.erase(std::remove_if(steps.begin(), steps.end(),
                             [wanted](const Step& step) {
                               return !wanted(step) ||
                                      step.peer_joins().vectors() >
                                          kMostVectors;
                             }),
              steps.end());
  return fuzzed;
}

}  // namespace ivshmem::script
