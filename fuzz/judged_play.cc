// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "fuzz/judged_play.h"

#include <algorithm>
#include <array>
#include <cstdint>
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
#include "fuzz/placed_bars.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/subject.h"
#include "script/text.h"
#include "script/worlds.h"

namespace ivshmem::script {
namespace {

constexpr int kDwords = 64;  // Of config space.
using ConfigSpace = std::array<uint32_t, kDwords>;

// Bits of config space that stay as they are, at dword `i` of a device with or
// without MSI-X. All BARs here are of 256 bytes at least.
constexpr uint32_t ConstantBits(int i, bool msix) {
  switch (4 * i) {
    case pci::kCommand:
      return ~(pci::kCommandIoSpace | pci::kCommandMemorySpace |
               pci::kCommandBusMaster | pci::kCommandSerr |
               pci::kCommandInterruptDisable |
               uint32_t{pci::kStatusInterrupt} << 16);
    case pci::kCacheLineSize:
    case pci::kInterruptLine:
      return 0xffffff00;
    case pci::kBar0:
      return 0xff;
    case pci::kBar0 + 4:
      return msix ? 0xfff : ~0u;
    case pci::kBar0 + 8:
      return 0x3fff;
    case pci::kBar0 + 12:
      return 0;
    case pci::kMsixCapability:
      return msix ? 0x3fffffff : ~0u;
    default:
      return ~0u;
  }
}

constexpr uint64_t kMsixEntryBytes = 16;
constexpr uint64_t kVectorControl = 12;

// What is known of a device.
struct Seen {
  bool pci = false;
  bool intx = false;
  bool plugged = true;
  int vectors = 0;
  ConfigSpace constant = {};
  bool msix = false;  // Enabled.
  bool line = false;
  // Vector controls of the MSI-X table, as they were read last.
  std::map<int, uint32_t> controls = {};
};

class Judge {
 public:
  Judge(const Script& script, Acceleration acceleration)
      : trapped_(MakeSubject(script.world(), Acceleration::kNone)),
        accelerated_(MakeSubject(script.world(), acceleration)),
        bars_(script.world(), [this](const std::string& name, uint64_t offset) {
          return ReadConfig(name, offset);
        }) {
    *played_.mutable_world() = script.world();
    played_.set_about(
        absl::StrCat("short cuts: ", AccelerationName(acceleration)));
    for (int i = 0; i < script.world().devices_size(); ++i) {
      const config::Device& device = script.world().devices(i);
      Seen& seen = seen_[device.name()];
      seen.pci = device.has_pci();
      seen.intx = device.pci().interrupts() == config::Pci::INTX;
      seen.vectors = AimsOf(script.world(), i).vectors;
      if (!seen.pci) continue;
      for (int dword = 0; dword < kDwords; ++dword) {
        seen.constant[dword] = ReadConstant(device.name(), seen, dword);
      }
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
    if (changes && seen.pci) CheckConfig(step, name, seen);
    CheckMessages(outcome->effects, changes);
    CheckLine(step, name, seen, *outcome);
  }

  // What an interrupt handler would do last, and all of config space.
  void Finish() {
    for (auto& entry : seen_) {
      const std::string& name = entry.first;
      Seen& seen = entry.second;
      if (!seen.pci || !seen.plugged) continue;
      Step status;
      status.set_device(name);
      status.mutable_read()->set_registers(kStatusOffset);
      Do(status);
      CheckConstants(name, seen, 0, kDwords);
    }
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

  uint32_t ReadConstant(const std::string& name, const Seen& seen, int dword) {
    return ReadConfig(name, uint64_t{4} * dword) &
           ConstantBits(dword, seen.vectors != 0);
  }

  void CheckConstants(const std::string& name, const Seen& seen, int begin,
                      int end) {
    for (int dword = begin; dword < std::min(end, kDwords); ++dword) {
      Require(ReadConstant(name, seen, dword) == seen.constant[dword],
              absl::StrCat("no guest can change config space at ", 4 * dword));
    }
  }

  void CheckConfig(const Step& step, const std::string& name, Seen& seen) {
    if (!seen.plugged) {
      Require(ReadConfig(name, 0) == ~0u, "nobody is there");
      return;
    }
    if (step.has_write() && step.write().has_config()) {
      // At most 64 bytes, and Finish() looks at the others.
      const uint64_t size = step.write().has_size() ? step.write().size() : 4;
      const auto at = static_cast<int>(step.write().config() / 4);
      CheckConstants(name, seen, at,
                     static_cast<int>((step.write().config() + size + 3) / 4));
    } else if (!step.has_write()) {
      CheckConstants(name, seen, 0, kDwords);
    }
    if (seen.vectors != 0) CheckControls(step, name, seen);
  }

  // A vector control keeps what was written to it.
  void CheckControls(const Step& step, const std::string& name, Seen& seen) {
    for (auto& other : seen_) {
      // Their table may be where this device was written.
      const bool may_be_written =
          step.has_write() && !step.write().has_config();
      if (may_be_written && other.first != name) other.second.controls.clear();
    }
    if (step.has_restore() ||
        (step.has_write() && step.write().has_address()) ||
        !bars_.Answers(name, 1, kVectorControl)) {
      seen.controls.clear();
    }
    for (const int vector : {0, seen.vectors - 1}) {
      const uint64_t offset = vector * kMsixEntryBytes + kVectorControl;
      if (!bars_.Answers(name, 1, offset)) continue;
      Step read;
      read.set_device(name);
      read.mutable_read()->set_msix(offset);
      const std::optional<Outcome> control = Both(read);
      Require(control.has_value() && control->gives.has_value(), "is read");
      const auto now = static_cast<uint32_t>(*control->gives);
      const auto [known, is_new] = seen.controls.emplace(vector, now);
      if (step.has_write() && step.write().has_msix()) {
        const Access& access = step.write();
        const uint64_t size = access.has_size() ? access.size() : 4;
        if (size == 4 && access.msix() == offset) {
          Require(now == static_cast<uint32_t>(access.value()),
                  "a vector control is what was written");
        } else if (access.msix() >= offset + 4 ||
                   access.msix() + size <= offset) {
          Require(now == known->second, "a vector control is not written");
        }
      } else {
        Require(now == known->second, "a vector control stays as it is");
      }
      known->second = now;
    }
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
    if (!seen.intx || !seen.plugged) return;
    const bool disabled =
        (ReadConfig(name, pci::kCommand) & pci::kCommandInterruptDisable) != 0;
    Require(!disabled || !seen.line, "a disabled line is low");
    const bool status = step.has_read() && step.read().has_registers() &&
                        step.read().registers() == kStatusOffset &&
                        (!step.read().has_size() || step.read().size() == 4);
    if (!status || disabled || !bars_.Answers(name, 0, kStatusOffset)) return;
    Step mask;
    mask.set_device(name);
    mask.mutable_read()->set_registers(kMaskOffset);
    const std::optional<Outcome> masked = Both(mask);
    Require(before == ((*outcome.gives & *masked->gives) != 0),
            "a line is asserted if there is a reason");
    Require(!seen.line, "which is gone when Status was read");
  }

  Script played_;
  const std::unique_ptr<Subject> trapped_;
  const std::unique_ptr<Subject> accelerated_;
  const PlacedBars bars_;
  std::map<std::string, Seen> seen_;
};

}  // namespace

void JudgedPlay(const Script& script, Acceleration short_cuts) {
  Judge judge(script, short_cuts);
  for (const Step& step : script.steps()) judge.Do(step);
  judge.Finish();
}

}  // namespace ivshmem::script
