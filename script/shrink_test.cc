// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/shrink.h"

#include <string>

#include "gtest/gtest.h"
#include "script/text.h"

namespace ivshmem::script {
namespace {

constexpr char kHead[] =
    "# proto-file: proto/script.proto\n"
    "# proto-message: ivshmem.script.Script\n\n";

Script Parse(const std::string& text) {
  const auto script = ParseScript(text);
  EXPECT_TRUE(script.ok()) << script.status();
  return script.value_or(Script());
}

constexpr char kWorld[] = R"(
  world {
    regions { name: "r" size: 4096 }
    regions { name: "s" size: 4096 }
    devices { name: "a" region: "r" id: 7 pci { slot: 4 bar0: 0xfe000000 } }
    devices { name: "f" region: "s" flat { memory_address: 4096 irq: 1 } }
    devices { name: "b" region: "s" pci { slot: 5 } }
  }
)";

// Steps of no account, among which what matters is hidden.
std::string Noise(int steps) {
  std::string noise;
  for (int i = 0; i < steps; ++i) {
    noise += "steps { device: '" + std::string(i % 2 == 0 ? "a" : "b") +
             "' write { registers: 4 value: " + std::to_string(i) + " } }\n";
  }
  return noise;
}

// Fails when some peer has joined and b later writes a value with bit 5 to the
// doorbell.
bool Fails(const Script& script) {
  bool joined = false;
  for (const Step& step : script.steps()) {
    if (step.has_peer_joins()) joined = true;
    if (joined && step.device() == "b" && step.has_write() &&
        step.write().registers() == 12 && (step.write().value() & 0x20) != 0) {
      return true;
    }
  }
  return false;
}

// What is left is what it takes: steps, devices, regions, outcomes, numbers.
TEST(ShrinkTest, LeavesWhatItTakes) {
  const Script script =
      Parse(kWorld + Noise(100) +
            "steps { device: 'f' peer_joins { id: 77 "
            "vectors: 3 } effects { } }" +
            Noise(57) +
            "steps { device: 'b' write { registers: 12 value: 0x12345678 } "
            "effects { rings { } } }" +
            Noise(100));
  ASSERT_TRUE(Fails(script));
  int runs = 0;
  const Script small = Shrink(script, [&runs](const Script& candidate) {
    ++runs;
    return Fails(candidate);
  });
  EXPECT_EQ(PrintScript(small),
            std::string(kHead) +
                "world {\n"
                "  regions { name: \"s\" size: 1 }\n"
                "  devices { name: \"b\" region: \"s\" pci { } }\n"
                "}\n\n"
                "steps { device: \"b\" peer_joins { id: 1 } }\n"
                "steps { device: \"b\" write { registers: 0xc value: 0x20 } "
                "}\n");
  EXPECT_LT(runs, 500);
}

// It asks only of what is right by itself, and no more often than it may.
TEST(ShrinkTest, AsksOnlyWhatMayBeAsked) {
  const Script script =
      Parse(kWorld + std::string("steps { peer_joins { id: 3 } }"
                                 "steps { peer_leaves { id: 3 } }"));
  const auto leaves = [](const Script& candidate) {
    if (candidate.steps().empty()) return false;
    EXPECT_TRUE(candidate.steps(0).has_peer_joins());
    return candidate.steps_size() == 2;
  };
  EXPECT_EQ(Shrink(script, leaves).steps_size(), 2);
  int runs = 0;
  const Script same = Shrink(
      Parse(kWorld + Noise(100)),
      [&runs](const Script&) {
        ++runs;
        return false;
      },
      /*most_runs=*/20);
  EXPECT_EQ(runs, 20);
  EXPECT_EQ(same.steps_size(), 100);
}

// What it refuses before it asks is counted as well. Of these steps an odd
// number can go only from the end, and it tries 255, 127, 63, ... 1 of them
// everywhere: it asks eight times, and has looked at enough before it comes to
// the numbers.
TEST(ShrinkTest, LooksAtNoMoreThanItMay) {
  std::string steps = "steps { peer_joins { id: 3 } }";
  for (int i = 0; i < 127; ++i) {
    steps +=
        "steps { peer_leaves { id: 3 } }"
        "steps { peer_joins { id: 3 } }";
  }
  int runs = 0;
  const auto never = [&runs](const Script&) {
    ++runs;
    return false;
  };
  Shrink(Parse(kWorld + steps), never, /*most_runs=*/30);
  EXPECT_EQ(runs, 8);
}

// Who asks twice gets the same.
TEST(ShrinkTest, IsDeterministic) {
  const Script script = Parse(kWorld + Noise(40));
  const auto three = [](const Script& candidate) {
    return candidate.steps_size() >= 3;
  };
  const Script small = Shrink(script, three);
  EXPECT_EQ(small.steps_size(), 3);
  EXPECT_EQ(PrintScript(small), PrintScript(Shrink(script, three)));
}

}  // namespace
}  // namespace ivshmem::script
