// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Debian's QEMU and this project's device with its dialect, played the same
// random Scripts: what is not the same is in one table, with its reason.

#include <array>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <map>
#include <optional>
#include <random>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"
#include "proto/text.h"
#include "script/kinds.h"
#include "script/random.h"
#include "script/worlds.h"
#include "testing/oracle/comparison.h"
#include "testing/oracle/known_differences.h"

namespace ivshmem::qemu {
namespace {

using script::Kind;
using script::RandomOptions;
using script::Script;
using script::Step;

constexpr int kScripts = 80;
constexpr int kSteps = 300;
constexpr int kLeastOperations = 20000;

// Of script::Worlds(): those of QEMU's dialect. Doorbells are most of it.
constexpr int kTwoVectors = 5;
constexpr std::array<int, 5> kWorlds = {kTwoVectors, 14, kTwoVectors, 6, 14};

constexpr Kind kKindsOfQemu[] = {
    Kind::kReadConfig,     Kind::kReadRegisters, Kind::kReadMsix,
    Kind::kReadMemory,     Kind::kReadAddress,   Kind::kWriteConfig,
    Kind::kWriteRegisters, Kind::kWriteMsix,     Kind::kWriteMemory,
    Kind::kWriteAddress,   Kind::kPeerJoins,     Kind::kPeerLeaves,
    Kind::kVectorArrives,  Kind::kInterrupt,     Kind::kStore,
    Kind::kLoad,           Kind::kReset};

bool IsAccessOfACpu(const script::Access& access) {
  const uint32_t size = access.has_size() ? access.size() : 4;
  if (size > 8 || (size & (size - 1)) != 0) return false;
  return !access.has_config() ||
         (access.config() % 4 + size <= 4 && access.config() < 256);
}

// Which steps QEMU's subject can do, as far as that is known beforehand: peers
// come once, and their vectors in order.
class Wanted {
 public:
  bool operator()(const Step& step) {
    switch (step.operation_case()) {
      case Step::kRead:
        return IsAccessOfACpu(step.read());
      case Step::kWrite:
        return IsAccessOfACpu(step.write());
      case Step::kPeerJoins:
        return step.peer_joins().vectors() <= 64 &&
               next_
                   .emplace(step.peer_joins().id(), step.peer_joins().vectors())
                   .second;
      case Step::kPeerLeaves: {
        const auto peer = next_.find(step.peer_leaves().id());
        if (peer == next_.end() || peer->second == kGone) return false;
        peer->second = kGone;
        return true;
      }
      case Step::kVectorArrives: {
        const auto peer = next_.find(step.vector_arrives().id());
        if (peer == next_.end() || peer->second > 63) return false;
        // Mostly by small steps.
        if (step.vector_arrives().vector() != peer->second) return false;
        ++peer->second;
        return true;
      }
      default:
        return true;
    }
  }

 private:
  static constexpr uint32_t kGone = 1000;
  // The vector to come next; those that a set-up has.
  std::map<uint32_t, uint32_t> next_ = {{1, kGone}};
};

RandomOptions OptionsFor(int number) {
  RandomOptions options = {.world = kWorlds[number % kWorlds.size()],
                           .stage = number % 4 == 3 ? script::Stage::kNothing
                                                    : script::Stage::kDriver,
                           .steps = kSteps};
  options.weights = {};
  for (const Kind kind : kKindsOfQemu) options.weight(kind) = 4;
  options.weight(Kind::kWriteRegisters) = 8;
  options.weight(Kind::kInterrupt) = 8;
  options.weight(Kind::kReset) = 1;
  options.wanted = Wanted();
  return options;
}

Ways WaysFor(int number) {
  return {.ioeventfd = number % 3 != 0,
          .acceleration = number % 2 == 0 ? script::Acceleration::kNone
                                          : script::Acceleration::kAll};
}

// A seed of one's own can be given, and is printed, to do it again.
uint64_t SeedOfTheDay() {
  uint64_t seed = 0;
  const char* const given = std::getenv("IVSHMEM_SEED");
  if (given == nullptr || !absl::SimpleAtoi(given, &seed)) {
    seed = std::random_device()();
  }
  return seed;
}

void Expect(const Script& script, const Ways& ways, Tally& tally) {
  const auto surprise = Compare(script, ways, tally);
  ASSERT_TRUE(surprise.ok()) << surprise.status();
  if (!surprise->has_value()) return;
  const Script least = Least(script, ways);
  const auto again = Compare(least, ways, tally);
  FAIL() << "step " << (*surprise)->step << ", which is "
         << script.steps((*surprise)->step).ShortDebugString() << "\n"
         << (*surprise)->what << "\n\nthe least that shows one:\n"
         << least.DebugString() << "\n"
         << (again.ok() && again->has_value() ? (*again)->what : "(not again)");
}

// The steps that show a known difference, on devices that are set up.
Script ExampleOf(const KnownDifference& known) {
  Script script;
  const absl::Status parsed = ParseText(known.example, script);
  EXPECT_TRUE(parsed.ok()) << known.name << ": " << parsed;
  *script.mutable_world() = script::Worlds()[kTwoVectors];
  Script whole;
  *whole.mutable_world() = script.world();
  for (Step& step : script::StepsOf(script::Stage::kPeers, whole.world())) {
    *whole.add_steps() = std::move(step);
  }
  whole.mutable_steps()->MergeFrom(script.steps());
  return whole;
}

// What is listed is seen; each by its example, so that a difference that is
// none any more is found.
TEST(QemuOracle, WhatIsListedIsSeen) {
  for (const KnownDifference& known : KnownDifferences()) {
    SCOPED_TRACE(known.name);
    Tally tally;
    Expect(ExampleOf(known), {}, tally);
    EXPECT_EQ(tally.differences[known.name], 1) << known.reason;
    EXPECT_EQ(tally.differences.size(), 1);
  }
}

// All else is the same.
TEST(QemuOracle, AllElseIsTheSame) {
  Tally tally;
  const uint64_t own = SeedOfTheDay();
  std::cout << "IVSHMEM_SEED=" << own << "\n";
  for (int number = 0; number < kScripts && !HasFailure(); ++number) {
    const uint64_t seed = number % 8 == 7 ? own + number : number;
    SCOPED_TRACE(absl::StrCat("script ", number, ", seed ", seed));
    Expect(RandomScript(seed, OptionsFor(number)), WaysFor(number), tally);
  }
  std::cout << tally.operations << " operations\n";
  EXPECT_GE(tally.operations, kLeastOperations);
  for (const Kind kind : kKindsOfQemu) {
    const int count = tally.of_kind[static_cast<size_t>(kind)];
    std::cout << "  " << count << " " << Name(kind) << "\n";
    EXPECT_GE(count, tally.operations / 100) << Name(kind);
  }
  for (const auto& [name, count] : tally.differences) {
    std::cout << "  " << count << " times: " << name << "\n";
  }
}

}  // namespace
}  // namespace ivshmem::qemu
