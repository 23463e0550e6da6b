// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/oracle/comparison.h"

#include <algorithm>
#include <cstddef>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "script/library_subject.h"
#include "script/subject.h"
#include "script/worlds.h"
#include "testing/oracle/qemu_messages.h"
#include "testing/oracle/qemu_subject.h"

namespace ivshmem::qemu {
namespace {

using script::Outcome;
using script::Step;

// Each QEMU takes a tenth of a second or two.
constexpr int kMostTries = 300;

using Rings = std::multiset<std::pair<uint32_t, uint32_t>>;

Rings RingsOf(const Outcome& outcome) {
  Rings rings;
  for (const script::Ring& ring : outcome.effects.rings()) {
    rings.emplace(ring.peer(), ring.vector());
  }
  return rings;
}

// By address, those that can be seen on QEMU.
std::map<uint64_t, std::set<uint32_t>> MessagesOf(const Outcome& outcome) {
  std::map<uint64_t, std::set<uint32_t>> messages;
  for (const script::Message& message : outcome.effects.messages()) {
    const uint64_t place = message.address() - QemuMessages::kAddress;
    if (place >= QemuMessages::kSize) continue;
    messages[message.address()].insert(message.data());
  }
  return messages;
}

// Of those that QEMU's device sends to one address one is seen.
bool SameMessages(const Outcome& qemu, const Outcome& ours) {
  const auto theirs = MessagesOf(qemu);
  const auto mine = MessagesOf(ours);
  return std::equal(theirs.begin(), theirs.end(), mine.begin(), mine.end(),
                    [](const auto& a, const auto& b) {
                      return a.first == b.first &&
                             std::includes(b.second.begin(), b.second.end(),
                                           a.second.begin(), a.second.end());
                    });
}

bool Same(const Outcome& qemu, const Outcome& ours) {
  return qemu.gives == ours.gives && RingsOf(qemu) == RingsOf(ours) &&
         SameMessages(qemu, ours);
}

std::string Text(const Outcome& outcome) {
  return absl::StrCat(
      outcome.gives ? absl::StrFormat("gives 0x%x ", *outcome.gives) : "", "{ ",
      outcome.effects.ShortDebugString(), " }");
}

std::string Text(const absl::StatusOr<Outcome>& outcome) {
  return outcome.ok() ? Text(*outcome) : outcome.status().ToString();
}

// Both, doing the same.
class Pair {
 public:
  static absl::StatusOr<std::unique_ptr<Pair>> Make(const config::World& world,
                                                    const Ways& ways) {
    auto qemu = QemuSubject::Create(world, {.ioeventfd = ways.ioeventfd});
    if (!qemu.ok()) return qemu.status();
    auto ours = script::MakeLibrarySubject(world, ways.acceleration);
    if (!ours.ok()) return ours.status();
    return std::unique_ptr<Pair>(
        new Pair(world, *std::move(qemu), *std::move(ours)));
  }

  // What came of the step that is no known difference; empty for nothing.
  absl::StatusOr<std::string> Do(const Step& step, Tally& tally) {
    const QemuSubject::State before = qemu_->state();
    const absl::StatusOr<Outcome> theirs = qemu_->Do(step);
    if (absl::IsUnimplemented(theirs.status())) return "";
    const absl::StatusOr<Outcome> mine = ours_->Do(step);
    if (!theirs.ok() && !absl::IsInvalidArgument(theirs.status())) {
      return theirs.status();
    }
    if (!theirs.ok() || !mine.ok()) {
      if (theirs.status().code() == mine.status().code()) return "";
      return absl::StrCat("QEMU: ", Text(theirs), "\nhere: ", Text(mine));
    }
    ++tally.operations;
    ++tally.of_kind[static_cast<size_t>(KindOf(step))];
    if (Same(*theirs, *mine)) return "";
    for (const KnownDifference& known : KnownDifferences()) {
      if (!known.explains({.step = step,
                           .before = before,
                           .qemu = *theirs,
                           .ours = *mine,
                           .vectors = qemu_->vectors(),
                           .id = qemu_->id()})) {
        continue;
      }
      ++tally.differences[known.name];
      return known.lasts ? StartAnew() : "";
    }
    return absl::StrCat("QEMU: ", Text(theirs), "\nhere: ", Text(mine));
  }

 private:
  Pair(config::World world, std::unique_ptr<QemuSubject> qemu,
       std::unique_ptr<script::Subject> ours)
      : world_(std::move(world)),
        qemu_(std::move(qemu)),
        ours_(std::move(ours)) {}

  absl::StatusOr<std::string> StartAnew() {
    std::vector<Step> steps(1);
    steps[0].mutable_reset();
    for (Step& step : script::StepsOf(script::Stage::kDriver, world_)) {
      steps.push_back(std::move(step));
    }
    for (const Step& step : steps) {
      const auto theirs = qemu_->Do(step);
      const auto mine = ours_->Do(step);
      if (!theirs.ok() || !mine.ok() || !Same(*theirs, *mine)) {
        return absl::StrCat("set up anew, '", step.ShortDebugString(),
                            "'\nQEMU: ", Text(theirs), "\nhere: ", Text(mine));
      }
    }
    return "";
  }

  const config::World world_;
  const std::unique_ptr<QemuSubject> qemu_;
  const std::unique_ptr<script::Subject> ours_;
};

}  // namespace

absl::StatusOr<std::optional<Surprise>> Compare(const script::Script& script,
                                                const Ways& ways,
                                                Tally& tally) {
  auto pair = Pair::Make(script.world(), ways);
  if (!pair.ok()) return pair.status();
  for (int i = 0; i < script.steps_size(); ++i) {
    absl::StatusOr<std::string> what = (*pair)->Do(script.steps(i), tally);
    if (!what.ok()) return what.status();
    if (!what->empty()) return Surprise{.step = i, .what = *std::move(what)};
  }
  return std::nullopt;
}

script::Script Least(const script::Script& script, const Ways& ways) {
  script::Script least = script;
  int tries = kMostTries;
  const auto surprises = [&](script::Script& candidate) {
    Tally tally;
    const auto surprise = Compare(candidate, ways, tally);
    if (!surprise.ok() || !surprise->has_value()) return false;
    candidate.mutable_steps()->DeleteSubrange(
        (*surprise)->step + 1, candidate.steps_size() - (*surprise)->step - 1);
    return true;
  };
  if (!surprises(least)) return script;
  for (int piece = least.steps_size() / 2; piece > 0; piece /= 2) {
    for (int at = least.steps_size() - 1 - piece; at >= 0 && tries > 0;
         at -= piece, --tries) {
      script::Script candidate = least;
      candidate.mutable_steps()->DeleteSubrange(at, piece);
      if (surprises(candidate)) least = std::move(candidate);
      at = std::min(at, least.steps_size() - 1);
    }
  }
  return least;
}

}  // namespace ivshmem::qemu
