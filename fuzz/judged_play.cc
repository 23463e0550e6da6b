// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/judged_play.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bus/pci/registers.h"
#include "core/registers.h"
#include "script/acceleration.h"
#include "script/bytes.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/subject.h"
#include "script/text.h"
#include "script/worlds.h"

namespace ivshmem::script {
namespace {

// Bits of config space that stay as they are, by offset. All BARs here are of
// 256 bytes at least.
constexpr std::pair<uint64_t, uint32_t> kConstant[] = {
    {pci::kVendorId, ~0u},
    {pci::kRevision, ~0u},
    {pci::kCacheLineSize, 0xffffff00},
    {pci::kBar0, 0xff},
    {pci::kBar0 + 4, 0xf},
    {pci::kBar0 + 8, 0xfff},
    {pci::kBar0 + 16, ~0u},
    {pci::kBar0 + 20, ~0u},
    {pci::kSubsystemVendorId, ~0u},
    {pci::kCapabilities, ~0u},
    {pci::kInterruptLine, 0xffffff00},
    {pci::kMsixCapability, 0x3fffffff},
    {pci::kMsixTable, ~0u},
    {pci::kMsixPba, ~0u},
    {pci::kMsixPba + 4, ~0u},
    {0xfc, ~0u},
};
// Vectors of one peer. Each that arrives costs a device with short cuts time
// with the number of those that are there.
constexpr uint32_t kMostVectors = 64;

constexpr uint64_t kMsixEntryBytes = 16;
constexpr uint64_t kVectorControl = 12;

// What is known of a device.
struct Seen {
  bool pci = false;
  bool plugged = true;
  int vectors = 0;
  std::array<uint32_t, std::size(kConstant)> constant = {};
  bool msix = false;  // Enabled.
  bool line = false;
};

// Which short cuts the second world has; bytes know nothing of it.
Acceleration ShortCuts(absl::Span<const uint8_t> bytes,
                       const config::World& world) {
  const int chosen = bytes.size() < 2 ? 0 : bytes[1] / kStages % 3;
  // Its smaller writes of the doorbell can tell (acceleration.h).
  const bool can_tell = std::any_of(
      world.devices().begin(), world.devices().end(), [](const auto& device) {
        return device.pci().dialect() == config::Pci::QEMU;
      });
  if (chosen == 0 || (chosen == 2 && can_tell)) return Acceleration::kAll;
  return chosen == 1 ? Acceleration::kLimited : Acceleration::kSwallowing;
}

class Judge {
 public:
  Judge(const Script& script, Acceleration acceleration)
      : trapped_(MakeSubject(script.world(), Acceleration::kNone)),
        accelerated_(MakeSubject(script.world(), acceleration)) {
    *played_.mutable_world() = script.world();
    played_.set_about(
        absl::StrCat("short cuts: ", AccelerationName(acceleration)));
    for (int i = 0; i < script.world().devices_size(); ++i) {
      const config::Device& device = script.world().devices(i);
      Seen& seen = seen_[device.name()];
      seen.pci = device.has_pci();
      seen.vectors = AimsOf(script.world(), i).vectors;
      if (seen.pci) seen.constant = Constants(device.name());
    }
  }

  void Do(const Step& step) {
    *played_.add_steps() = step;
    const std::optional<Outcome> outcome = Both(step);
    const std::string& name = step.device().empty()
                                  ? played_.world().devices(0).name()
                                  : step.device();
    Seen& seen = seen_.at(name);
    if (!outcome.has_value()) return;
    if (step.has_unplug()) seen.plugged = false;
    if (step.has_plug() || step.has_restore()) seen.plugged = true;
    CheckEffects(step, outcome->effects);
    // Nothing else changes config space or the table.
    const bool changes = step.has_write() || step.has_reset() ||
                         step.has_plug() || step.has_unplug() ||
                         step.has_restore();
    if (changes && seen.pci) CheckConfig(name, seen);
    CheckMessages(outcome->effects, changes);
    CheckLine(step, name, seen, *outcome);
  }

 private:
  static std::unique_ptr<Subject> MakeSubject(const config::World& world,
                                              Acceleration acceleration) {
    auto subject = MakeLibrarySubject(world, acceleration);
    if (!subject.ok()) std::abort();
    return *std::move(subject);
  }

  void Require(bool holds, absl::string_view what) const {
    if (holds) return;
    std::fprintf(stderr, "%s\nDoes not hold after its last step: %s\n",
                 PrintScript(played_).c_str(), std::string(what).c_str());
    std::abort();
  }

  // In both worlds; nothing where it cannot be done.
  std::optional<Outcome> Both(const Step& step) {
    const absl::StatusOr<Outcome> one = trapped_->Do(step);
    const absl::StatusOr<Outcome> other = accelerated_->Do(step);
    Require(one.status().code() == other.status().code(),
            absl::StrCat("the same status: ", one.status().ToString(), " and ",
                         other.status().ToString()));
    if (!one.ok()) {
      Require(absl::IsInvalidArgument(one.status()) ||
                  absl::IsUnimplemented(one.status()),
              one.status().ToString());
      return std::nullopt;
    }
    const std::string difference = Difference(*one, *other);
    Require(difference.empty(),
            absl::StrCat("trapped as accelerated: ", difference));
    return *one;
  }

  uint32_t ReadConfig(const std::string& device, uint64_t offset) {
    Step step;
    step.set_device(device);
    step.mutable_read()->set_config(offset);
    const absl::StatusOr<Outcome> outcome = trapped_->Do(step);
    Require(outcome.ok() && outcome->gives.has_value(), "is read");
    return static_cast<uint32_t>(*outcome->gives);
  }

  std::array<uint32_t, std::size(kConstant)> Constants(
      const std::string& device) {
    std::array<uint32_t, std::size(kConstant)> constants;
    for (size_t i = 0; i < constants.size(); ++i) {
      constants[i] =
          ReadConfig(device, kConstant[i].first) & kConstant[i].second;
    }
    return constants;
  }

  void CheckConfig(const std::string& name, Seen& seen) {
    if (!seen.plugged) {
      Require(ReadConfig(name, 0) == ~0u, "nobody is there");
      return;
    }
    Require(Constants(name) == seen.constant, "no guest can change these");
    if (seen.vectors == 0) return;
    // What is decoded at the same place as another BAR is hidden by it.
    const uint32_t bar1 = ReadConfig(name, pci::kBar0 + 4);
    if (bar1 != HomeOfMsix(name)) return;
    for (const int vector : {0, seen.vectors - 1}) {
      Step step;
      step.set_device(name);
      step.mutable_read()->set_msix(vector * kMsixEntryBytes + kVectorControl);
      const std::optional<Outcome> control = Both(step);
      Require(control.has_value() &&
                  (*control->gives <= 1 || *control->gives == 0xffffffff),
              "reserved bits are 0");
    }
  }

  // Where nothing else is ever placed but by chance.
  uint32_t HomeOfMsix(const std::string& name) const {
    for (int i = 0; i < played_.world().devices_size(); ++i) {
      if (played_.world().devices(i).name() == name) {
        return static_cast<uint32_t>(AimsOf(played_.world(), i).homes[1]);
      }
    }
    return 0;
  }

  void CheckEffects(const Step& step, const Effects& effects) {
    const bool may_ring = step.has_write();
    Require(may_ring || effects.rings().empty(), "who is rung is rung by");
    Require(effects.rings().size() <= 16, "one write rings few");
    for (const Pulse& pulse : effects.pulses()) {
      Require(seen_.contains(pulse.device()), "a device that there is");
    }
  }

  void CheckMessages(const Effects& effects, bool changes) {
    for (const Message& message : effects.messages()) {
      Seen& seen = seen_.at(message.device());
      Require(seen.pci && seen.vectors != 0, "a device with MSI-X");
    }
    for (auto& entry : seen_) {
      const std::string& name = entry.first;
      Seen& seen = entry.second;
      if (seen.vectors == 0) continue;
      const bool before = seen.msix;
      if (changes) {
        seen.msix =
            seen.plugged && (ReadConfig(name, pci::kMsixCapability) >> 16 &
                             pci::kMsixControlEnable) != 0;
      }
      const bool sent = std::any_of(
          effects.messages().begin(), effects.messages().end(),
          [&name](const Message& message) { return message.device() == name; });
      Require(!sent || before || seen.msix, "MSI-X was on");
    }
  }

  void CheckLine(const Step& step, const std::string& name, const Seen& seen,
                 const Outcome& outcome) {
    const bool before = seen.line;
    for (const Line& line : outcome.effects.lines()) {
      seen_.at(line.device()).line = line.asserted();
    }
    if (!seen.pci || !seen.plugged) return;
    const bool status = step.has_read() && step.read().has_registers() &&
                        step.read().registers() == kStatusOffset &&
                        (!step.read().has_size() || step.read().size() == 4);
    if (!status || (ReadConfig(name, pci::kCommand) &
                    pci::kCommandInterruptDisable) != 0) {
      return;
    }
    Step mask;
    mask.set_device(name);
    mask.mutable_read()->set_registers(kMaskOffset);
    const std::optional<Outcome> masked = Both(mask);
    // All ones: the registers are not decoded.
    if (*outcome.gives == 0xffffffff || *masked->gives == 0xffffffff) return;
    if (before) {
      Require((*outcome.gives & *masked->gives) != 0,
              "an asserted line has its reason");
      Require(!seen.line, "which is gone when Status was read");
    }
  }

  Script played_;
  const std::unique_ptr<Subject> trapped_;
  const std::unique_ptr<Subject> accelerated_;
  std::map<std::string, Seen> seen_;
};

}  // namespace

void JudgedPlay(absl::Span<const uint8_t> bytes, bool (*wanted)(const Step&)) {
  const Script script = Decode(bytes);
  Judge judge(script, ShortCuts(bytes, script.world()));
  for (const Step& step : script.steps()) {
    if (step.peer_joins().vectors() > kMostVectors) continue;
    if (wanted(step)) judge.Do(step);
  }
}

}  // namespace ivshmem::script
