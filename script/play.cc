// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/play.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "script/check.h"
#include "script/words.h"

namespace ivshmem::script {
namespace {

// How many effects a difference names.
constexpr size_t kMostNamed = 8;

std::vector<std::string> Sorted(const Effects& effects) {
  std::vector<std::string> words;
  for (const auto& ring : effects.rings()) words.push_back(InWords(ring));
  for (const auto& sent : effects.messages()) words.push_back(InWords(sent));
  for (const auto& line : effects.lines()) words.push_back(InWords(line));
  for (const auto& pulse : effects.pulses()) words.push_back(InWords(pulse));
  std::sort(words.begin(), words.end());
  return words;
}

std::string Named(std::vector<std::string> words) {
  const size_t more = words.size() - std::min(words.size(), kMostNamed);
  words.resize(words.size() - more);
  std::string text = absl::StrJoin(words, ", ");
  if (more != 0) absl::StrAppend(&text, " and ", more, " more");
  return text.empty() ? "nothing else" : text;
}

std::string Value(const std::optional<uint64_t>& value) {
  return value.has_value() ? absl::StrFormat("%#x", *value) : "no value";
}

// Calls `name(device)` for each name of a device in `effects`.
template <typename Name>
void ForEachDevice(Effects& effects, Name name) {
  for (auto& sent : *effects.mutable_messages()) name(*sent.mutable_device());
  for (auto& line : *effects.mutable_lines()) name(*line.mutable_device());
  for (auto& pulse : *effects.mutable_pulses()) name(*pulse.mutable_device());
}

std::string DeviceOf(const Script& script, const Step& step) {
  if (!step.device().empty() || script.world().devices().empty()) {
    return step.device();
  }
  return script.world().devices(0).name();
}

uint64_t Bits(const Step& step) {
  return step.has_of_bits() ? step.of_bits() : ~uint64_t{0};
}

absl::Status At(const Script& script, int index, const absl::Status& status) {
  Step step = script.steps(index);
  step.set_device(DeviceOf(script, step));
  return absl::Status(
      status.code(), absl::StrFormat("steps[%d] (%s): %s", index, InWords(step),
                                     status.message()));
}

}  // namespace

std::string Difference(const Outcome& expected, const Outcome& got) {
  std::vector<std::string> differences;
  if (expected.gives != got.gives) {
    differences.push_back(absl::StrFormat(
        "expected %s, got %s", Value(expected.gives), Value(got.gives)));
  }
  const std::vector<std::string> wanted = Sorted(expected.effects);
  const std::vector<std::string> seen = Sorted(got.effects);
  if (wanted != seen) {
    std::vector<std::string> missing;
    std::set_difference(wanted.begin(), wanted.end(), seen.begin(), seen.end(),
                        std::back_inserter(missing));
    std::vector<std::string> surplus;
    std::set_difference(seen.begin(), seen.end(), wanted.begin(), wanted.end(),
                        std::back_inserter(surplus));
    differences.push_back(
        absl::StrFormat("expected %s, got %s", Named(missing), Named(surplus)));
  }
  return absl::StrJoin(differences, "; ");
}

Outcome Expected(const Script& script, const Step& step) {
  Outcome outcome;
  if (step.has_gives()) outcome.gives = step.gives() & Bits(step);
  outcome.effects = step.effects();
  const std::string own = DeviceOf(script, step);
  ForEachDevice(outcome.effects, [&own](std::string& name) {
    if (name.empty()) name = own;
  });
  return outcome;
}

Outcome Known(const Step& step, const Outcome& got) {
  Outcome known;
  if (step.has_gives() && got.gives.has_value()) {
    known.gives = *got.gives & Bits(step);
  }
  if (step.has_effects()) known.effects = got.effects;
  return known;
}

void Fill(const Script& script, const Outcome& got, Step& step) {
  step.clear_gives();
  if (got.gives.has_value()) step.set_gives(*got.gives);
  *step.mutable_effects() = got.effects;
  const std::string own = DeviceOf(script, step);
  ForEachDevice(*step.mutable_effects(), [&own](std::string& name) {
    if (name == own) name.clear();
  });
}

absl::Status Play(const Script& script, Subject& subject) {
  if (absl::Status check = Check(script); !check.ok()) return check;
  for (int i = 0; i < script.steps_size(); ++i) {
    const Step& step = script.steps(i);
    const absl::StatusOr<Outcome> outcome = subject.Do(step);
    if (!outcome.ok()) return At(script, i, outcome.status());
    const std::string difference =
        Difference(Expected(script, step), Known(step, *outcome));
    if (!difference.empty()) {
      return At(script, i, absl::FailedPreconditionError(difference));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Script> Record(const Script& script, Subject& subject) {
  if (absl::Status check = Check(script); !check.ok()) return check;
  Script recorded = script;
  for (int i = 0; i < script.steps_size(); ++i) {
    const absl::StatusOr<Outcome> outcome = subject.Do(script.steps(i));
    if (!outcome.ok()) return At(script, i, outcome.status());
    Fill(script, *outcome, *recorded.mutable_steps(i));
  }
  return recorded;
}

}  // namespace ivshmem::script
