// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/conformance/program.h"

#include <cstdlib>
#include <iostream>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "rapidcheck.h"
#include "rapidcheck/state.h"
#include "script/play.h"
#include "script/shrink.h"
#include "script/text.h"
#include "testing/conformance/model/world.h"
#include "testing/conformance/steps.h"

namespace ivshmem::conformance {
namespace {

using script::Outcome;
using script::Script;
using script::Step;

constexpr int kLongestProgram = 400;
// Some programs are checked at once, until there were enough operations.
constexpr int64_t kOperationsOfAProgram = 1000;

struct Sut {
  Pair pair;
  Script script;  // What was done so far, with what it came to.
  Tally* tally;
  Script* failed;
};

// What tells the two apart; empty when nothing does. What they refuse they both
// refuse.
std::string Compare(const absl::StatusOr<Outcome>& expected,
                    const absl::StatusOr<Outcome>& got) {
  if (expected.ok() && got.ok()) return script::Difference(*expected, *got);
  if (expected.status().code() == got.status().code()) return "";
  return absl::StrCat("expected ", expected.status().ToString(), ", got ",
                      got.status().ToString());
}

// Does `step`; the program ends where the two differ.
void Do(const Step& step, Sut& sut) {
  Step& done = *sut.script.add_steps();
  done = step;
  const absl::StatusOr<Outcome> expected = sut.pair.expected->Do(step);
  const absl::StatusOr<Outcome> got = sut.pair.got->Do(step);
  if (expected.ok()) {
    script::Fill(sut.script, *expected, done);
    sut.tally->Count(step, *expected);
  }
  const std::string difference = Compare(expected, got);
  if (difference.empty()) return;
  *sut.failed = sut.script;
  RC_FAIL(difference);
}

using Command = rc::state::Command<WorldModel, Sut>;

// A step as a command. The model says whether the world has room for it.
class Perform : public Command {
 public:
  explicit Perform(Step step) : step_(std::move(step)) {}

  void checkPreconditions(const WorldModel& before) const override {
    // There is always room for an access.
    if (step_.has_read() || step_.has_write()) return;
    RC_PRE(WorldModel(before).Do(step_).ok());
  }
  void apply(WorldModel& model) const override {
    model.Do(step_).IgnoreError();
  }
  void run(const WorldModel&, Sut& sut) const override { Do(step_, sut); }
  void show(std::ostream& out) const override {
    out << step_.ShortDebugString();
  }

 private:
  const Step step_;
};

void RunOne(Setting setting, const MakePair& make, Tally& tally,
            const std::function<bool(const Step&)>& but, Script& failed) {
  const Script beginning = *AnyBeginning(setting);
  // Commands shrink when this function has returned.
  const auto shared = std::make_shared<const config::World>(beginning.world());
  const config::World& world = *shared;
  absl::StatusOr<Pair> pair = make(world);
  // A world of which nothing is said.
  RC_PRE(!absl::IsUnimplemented(pair.status()));
  if (!pair.ok()) RC_FAIL(pair.status().ToString());
  Sut sut{.pair = *std::move(pair),
          .script = {},
          .tally = &tally,
          .failed = &failed};
  *sut.script.mutable_world() = world;
  WorldModel model(world);
  for (const Step& step : beginning.steps()) {
    model.Do(step).IgnoreError();
    Do(step, sut);
  }
  const auto any_command = [shared, &but](const WorldModel& now) {
    return rc::gen::map(rc::gen::suchThat(AnyStep(shared, now),
                                          [&but](const Step& step) {
                                            return !but || !but(step);
                                          }),
                        [](Step step) -> std::shared_ptr<const Command> {
                          return std::make_shared<Perform>(std::move(step));
                        });
  };
  const auto commands = *rc::gen::resize(
      kLongestProgram, rc::state::gen::commands(model, any_command));
  rc::state::runAll(commands, model, sut);
}

// Where the two differ on `script`; empty when nowhere.
std::string FirstDifference(const Script& script, const MakePair& make) {
  const absl::StatusOr<Pair> pair = make(script.world());
  if (!pair.ok()) return "";
  for (const Step& step : script.steps()) {
    const absl::StatusOr<Outcome> expected = pair->expected->Do(step);
    const absl::StatusOr<Outcome> got = pair->got->Do(step);
    std::string difference = Compare(expected, got);
    if (!difference.empty()) return difference;
  }
  return "";
}

// rapidcheck has made the program short; this takes out of the world and of its
// beginning what is not needed, too.
void PrintSmallest(const Script& failed, const MakePair& make) {
  Script smallest = script::Shrink(failed, [&make](const Script& script) {
    return !FirstDifference(script, make).empty();
  });
  std::cerr << FirstDifference(smallest, make) << "\n";
  const absl::StatusOr<Pair> pair = make(smallest.world());
  absl::StatusOr<Script> recorded = script::Record(smallest, *pair->expected);
  std::cerr << script::PrintScript(recorded.ok() ? *recorded : smallest);
}

}  // namespace

void Tally::Count(const Step& step, const Outcome& outcome) {
  ++operations;
  ++kinds[static_cast<size_t>(script::KindOf(step))];
  rings += outcome.effects.rings_size();
  messages += outcome.effects.messages_size();
  lines += outcome.effects.lines_size();
  pulses += outcome.effects.pulses_size();
}

bool Agree(Setting setting, int64_t operations, const MakePair& make,
           Tally& tally, const std::function<bool(const Step&)>& but) {
  Script failed;
  rc::detail::TestParams params = rc::detail::configuration().testParams;
  params.maxSuccess = static_cast<int>(operations / kOperationsOfAProgram + 1);
  // Of few worlds, most may be such of which nothing is said.
  params.maxDiscardRatio = 100;
  params.seed += static_cast<uint64_t>(setting) << 32;
  while (tally.operations < operations) {
    rc::detail::TestMetadata metadata;
    metadata.id = metadata.description = std::string(NameOf(setting));
    const rc::detail::TestResult result = rc::detail::checkTestable(
        [&] { RunOne(setting, make, tally, but, failed); }, metadata, params);
    ++params.seed;
    if (!result.is<rc::detail::SuccessResult>()) {
      rc::detail::printResultMessage(result, std::cerr);
      PrintSmallest(failed, make);
      return false;
    }
  }
  return true;
}

int64_t Operations(int64_t in_ci) {
  return std::getenv("IVSHMEM_LONG") != nullptr ? 100 * in_ci : in_ci;
}

}  // namespace ivshmem::conformance
