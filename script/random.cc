// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/random.h"

#include <cstddef>
#include <numeric>
#include <random>

#include "absl/types/span.h"
#include "bus/access.h"
#include "script/record.h"

namespace ivshmem::script {
namespace {

constexpr int kTries = 100;

// Distributions of the standard library differ between implementations; its
// engines do not.
class Dice {
 public:
  explicit Dice(uint64_t seed) : engine_(seed) {}

  uint64_t Roll() { return engine_(); }
  size_t Below(size_t end) { return Roll() % end; }

 private:
  std::mt19937_64 engine_;
};

Kind Draw(const std::array<int, kKinds>& weights, Dice& dice) {
  const int sum = std::accumulate(weights.begin(), weights.end(), 0);
  if (sum <= 0) return Kind::kReadRegisters;
  auto left = static_cast<int>(dice.Below(sum));
  int kind = 0;
  while (left >= weights[kind]) left -= weights[kind++];
  return static_cast<Kind>(kind);
}

bool IsWrite(Kind kind) {
  return kind >= Kind::kWriteConfig && kind <= Kind::kWriteAddress;
}

Step Draw(Kind kind, const config::World& world, Dice& dice) {
  const absl::Span<const uint8_t> forms = FormsOf(kind);
  Record record;
  StoreLittleEndian(dice.Roll(), absl::MakeSpan(record));
  record[0] = forms[dice.Below(forms.size())];
  record[1] &= static_cast<uint8_t>(~kWriteBit);
  if (IsWrite(kind)) record[1] |= kWriteBit;
  return ToStep(record, world);
}

}  // namespace

Script RandomScript(uint64_t seed, const RandomOptions& options) {
  Dice dice(seed);
  const config::World& world = Worlds()[options.world];
  Script script;
  *script.mutable_world() = world;
  for (Step& step : StepsOf(options.stage, world)) {
    *script.add_steps() = std::move(step);
  }
  for (int i = 0; i < options.steps; ++i) {
    const Kind kind = Draw(options.weights, dice);
    Step step = Draw(kind, world, dice);
    for (int tried = 1;
         tried < kTries && options.wanted != nullptr && !options.wanted(step);
         ++tried) {
      step = Draw(kind, world, dice);
    }
    *script.add_steps() = std::move(step);
  }
  return script;
}

}  // namespace ivshmem::script
