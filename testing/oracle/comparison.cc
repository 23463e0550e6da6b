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
#include "proto/text.h"
#include "script/library_subject.h"
#include "script/shrink.h"
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

// Bytes of an access.
constexpr uint64_t kWidest = 8;

// Of script::Worlds(): dialect QEMU, two vectors.
constexpr int kWorldOfExamples = 5;

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

  // A step's two outcomes, where both have it.
  struct Outcomes {
    QemuSubject::State before;
    Outcome qemu;
    Outcome ours;
  };

  // Nullopt for a step that cannot be done. Errors: Internal for one that only
  // one of them can do; a subject's failure.
  absl::StatusOr<std::optional<Outcomes>> Both(const Step& step) {
    const QemuSubject::State before = qemu_->state();
    const absl::StatusOr<Outcome> theirs = qemu_->Do(step);
    if (absl::IsUnimplemented(theirs.status())) return std::nullopt;
    const absl::StatusOr<Outcome> mine = ours_->Do(step);
    if (theirs.ok() && mine.ok()) return Outcomes{before, *theirs, *mine};
    if (absl::IsInvalidArgument(theirs.status()) &&
        absl::IsInvalidArgument(mine.status())) {
      return std::nullopt;
    }
    return absl::InternalError(absl::StrCat(
        "QEMU: ", theirs.ok() ? "done" : theirs.status().ToString(),
        "\nhere: ", mine.ok() ? "done" : mine.status().ToString()));
  }

  // The first known difference that there may be; null for none.
  const KnownDifference* Explain(const Step& step, const Outcomes& both) {
    const bool same = Same(both.qemu, both.ours);
    for (const KnownDifference& known : KnownDifferences()) {
      if (same && !known.lasts) continue;
      if (known.explains({.step = step,
                          .before = both.before,
                          .qemu = both.qemu,
                          .ours = both.ours,
                          .vectors = qemu_->vectors(),
                          .id = qemu_->id()})) {
        return &known;
      }
    }
    return nullptr;
  }

  // What came of the step that is no known difference; empty for nothing.
  absl::StatusOr<std::string> Do(const Step& step, Tally& tally) {
    const auto both = Both(step);
    if (!both.ok()) return both.status();
    if (!both->has_value()) return "";
    ++tally.operations;
    ++tally.of_kind[static_cast<size_t>(KindOf(step))];
    tally.rings += (*both)->qemu.effects.rings_size();
    tally.messages += (*both)->qemu.effects.messages_size();
    const KnownDifference* const known = Explain(step, **both);
    if (known == nullptr) return Text(**both);
    ++tally.differences[known->name];
    return known->lasts ? StartAnew() : "";
  }

  // Empty when they are the same.
  static std::string Text(const Outcomes& both) {
    if (Same(both.qemu, both.ours)) return "";
    return absl::StrCat("QEMU: ", qemu::Text(both.qemu),
                        "\nhere: ", qemu::Text(both.ours));
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
    const uint64_t end = world_.regions(0).size();
    for (const uint64_t offset : {uint64_t{0}, end - kWidest}) {
      script::Share& share = *steps.emplace_back().mutable_store();
      share.set_offset(offset);
      share.set_size(kWidest);
    }
    for (const Step& step : steps) {
      const auto both = Both(step);
      if (!both.ok()) return both.status();
      if (!both->has_value()) return absl::InternalError("cannot start anew");
      const std::string what = Text(**both);
      if (!what.empty()) {
        return absl::StrCat("set up anew, ", step.ShortDebugString(), "\n",
                            what);
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
    if (absl::IsInternal(what.status())) {
      what = std::string(what.status().message());
    }
    if (!what.ok()) return what.status();
    if (!what->empty()) return Surprise{.step = i, .what = *std::move(what)};
  }
  return std::nullopt;
}

absl::Status Shows(const KnownDifference& known) {
  script::Script example;
  absl::Status status = ParseText(known.example, example);
  if (!status.ok()) return status;
  const config::World& world = script::Worlds()[kWorldOfExamples];
  const auto pair = Pair::Make(world, {});
  if (!pair.ok()) return pair.status();
  std::vector<Step> steps = script::StepsOf(script::Stage::kPeers, world);
  steps.insert(steps.end(), example.steps().begin(), example.steps().end());
  bool found = false;
  for (size_t i = 0; i < steps.size(); ++i) {
    const auto both = (*pair)->Both(steps[i]);
    if (!both.ok()) return both.status();
    if (!both->has_value()) return absl::InternalError("a step is left out");
    found |= (*pair)->Explain(steps[i], **both) == &known;
    const bool differs = !Pair::Text(**both).empty();
    if (differs == (i == steps.size() - 1)) continue;
    return absl::InternalError(
        absl::StrCat(differs ? "differs early: " : "the same at its end: ",
                     steps[i].ShortDebugString(), "\n", Pair::Text(**both)));
  }
  if (!found) return absl::InternalError("the table does not find it");
  return absl::OkStatus();
}

script::Script Least(const script::Script& script, const Ways& ways) {
  return script::Shrink(
      script,
      [&ways](const script::Script& candidate) {
        Tally tally;
        const auto surprise = Compare(candidate, ways, tally);
        return surprise.ok() && surprise->has_value();
      },
      kMostTries);
}

}  // namespace ivshmem::qemu
