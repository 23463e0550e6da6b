// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/play.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/text.h"
#include "script/library_subject.h"
#include "script/text.h"

namespace ivshmem::script {
namespace {

using ::testing::HasSubstr;

constexpr char kWorld[] = R"(
  world {
    regions { name: "r" size: 4096 }
    devices { name: "a" region: "r" id: 1
              pci { slot: 4 bar0: 0xfe000000 bar1: 0xfe010000 } }
    devices { name: "f" region: "r" id: 2
              flat { memory_address: 4096 irq: 1 } }
  }
  steps { write { config: 4 size: 2 value: 6 } }
)";

Script Parse(const std::string& steps) {
  const auto script = ParseScript(kWorld + steps);
  EXPECT_TRUE(script.ok()) << script.status();
  return script.value_or(Script());
}

std::unique_ptr<Subject> MakeSubject(const Script& script) {
  auto subject = MakeLibrarySubject(script.world());
  EXPECT_TRUE(subject.ok()) << subject.status();
  return *std::move(subject);
}

// What goes wrong when the library's devices play this.
absl::Status PlayText(const std::string& steps) {
  const Script script = Parse(steps);
  return Play(script, *MakeSubject(script));
}

Outcome Of(std::optional<uint64_t> gives, const std::string& effects) {
  Outcome outcome;
  outcome.gives = gives;
  EXPECT_TRUE(ParseText(effects, outcome.effects).ok());
  return outcome;
}

// A Script that says what happens plays.
TEST(PlayTest, Plays) {
  EXPECT_EQ(PlayText(R"(
      steps { peer_joins { id: 9 vectors: 1 } effects { } }
      steps { read { registers: 8 } gives: 1 effects { } }
      steps { read { config: 0 } gives: 0xff001af4 of_bits: 0xffff }
      steps { write { registers: 12 value: 0x20000 }
              effects { pulses { device: "f" } } }
      steps { device: "f" interrupt { } effects { pulses { } } }
      steps { write { registers: 12 value: 0x90000 }
              effects { rings { peer: 9 } } }
      steps { write { registers: 12 value: 0x90000 } })"),
            absl::OkStatus());
}

// The first outcome that is another: its step, what was expected, what came.
TEST(PlayTest, NamesTheFirstMismatch) {
  const absl::Status status = PlayText(R"(
      steps { read { registers: 8 } gives: 2 }
      steps { read { registers: 8 } gives: 3 })");
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(status.message(),
            "steps[1] (a reads 4 bytes at registers+0x8): expected 0x2, got "
            "0x1");
  EXPECT_EQ(
      PlayText("steps { device: 'f' interrupt { } effects { } }").message(),
      "steps[1] (f is rung at vector 0): expected nothing else, got pulse "
      "of f");
  EXPECT_EQ(PlayText("steps { write { registers: 12 value: 0x20000 } effects { "
                     "messages { address: 16 data: 3 } } }")
                .message(),
            "steps[1] (a writes 0x20000, 4 bytes, to registers+0xc): expected "
            "message 0x3 to 0x10 of a, got pulse of f");
  EXPECT_EQ(PlayText("steps { read { config: 0 size: 2 } gives: 0x11f4 "
                     "of_bits: 0xff00 }")
                .message(),
            "steps[1] (a reads 2 bytes at config+0): expected 0x1100, got "
            "0x1a00");
}

// A Script that is wrong by itself is not played; what a subject refuses comes
// with the step.
TEST(PlayTest, NamesWhatCannotBePlayed) {
  class Refuses : public Subject {
   public:
    absl::StatusOr<Outcome> Do(const Step& step) override {
      ++steps;
      if (step.has_write()) return Outcome();
      return absl::UnimplementedError("reset: not here");
    }
    int steps = 0;
  };
  Refuses subject;
  Script script = Parse("steps { reset { } }");
  absl::Status status = Play(script, subject);
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(status.message(), "steps[1] (a is reset): reset: not here");
  EXPECT_EQ(subject.steps, 2);
  EXPECT_EQ(Record(script, subject).status().message(),
            "steps[1] (a is reset): reset: not here");
  script.add_steps();
  status = Play(script, subject);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "steps[2].operation: expected one, got none");
  EXPECT_EQ(Record(script, subject).status(), status);
  EXPECT_EQ(subject.steps, 4);
}

// Effects have no order, but a number.
TEST(DifferenceTest, ComparesEffectsAsMultisets) {
  EXPECT_EQ(Difference(Of(1, "rings { peer: 1 } rings { peer: 2 }"),
                       Of(1, "rings { peer: 2 } rings { peer: 1 }")),
            "");
  EXPECT_EQ(Difference(Of({}, "rings { peer: 1 } rings { peer: 1 }"),
                       Of({}, "rings { peer: 1 }")),
            "expected peer 1 rung at vector 0, got nothing else");
  EXPECT_EQ(Difference(Of({}, "lines { device: 'a' asserted: true }"),
                       Of({}, "lines { device: 'a' }")),
            "expected line of a high, got line of a low");
  EXPECT_EQ(Difference(Of({}, "pulses { device: 'a' }"),
                       Of({}, "pulses { device: 'b' }")),
            "expected pulse of a, got pulse of b");
  EXPECT_EQ(Difference(Of({}, "messages { device: 'a' address: 1 data: 2 }"),
                       Of({}, "messages { device: 'a' address: 1 data: 3 }")),
            "expected message 0x2 to 0x1 of a, got message 0x3 to 0x1 of a");
  EXPECT_EQ(Difference(Of(1, ""), Of({}, "")), "expected 0x1, got no value");
  EXPECT_EQ(Difference(Of(1, ""), Of(2, "rings { }")),
            "expected 0x1, got 0x2; expected nothing else, got peer 0 rung at "
            "vector 0");
}

// However much comes, the difference is one line that people read.
TEST(DifferenceTest, NamesSomeOfMany) {
  std::string many;
  for (int i = 0; i < 20; ++i) many += "rings { }";
  EXPECT_THAT(Difference(Of({}, ""), Of({}, many)),
              HasSubstr("peer 0 rung at vector 0 and 12 more"));
}

// What came is written into the Script, which then plays.
TEST(RecordTest, FillsIn) {
  const Script script = Parse(R"(
      steps { peer_joins { id: 9 vectors: 1 } }
      steps { read { registers: 8 } gives: 7 }
      steps { read { config: 0 } gives: 0 of_bits: 0xffff }
      steps { device: "f" interrupt { } }
      steps { device: "f" write { registers: 12 value: 0x90000 } }
      steps { write { registers: 12 value: 0x20000 } effects { rings { } } }
      steps { load { offset: 0 size: 8 } })");
  const auto recorded = Record(script, *MakeSubject(script));
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  EXPECT_EQ(PrintScript(*recorded).substr(PrintScript(*recorded).find("steps")),
            "steps { write { config: 4 size: 2 value: 6 } effects { } }\n"
            "steps { peer_joins { id: 9 vectors: 1 } effects { } }\n"
            "steps { read { registers: 8 } gives: 1 effects { } }\n"
            "steps { read { config: 0 } gives: 0x11101af4 of_bits: 0xffff "
            "effects { } }\n"
            "steps { device: \"f\" interrupt { } effects { pulses { } } }\n"
            "steps { device: \"f\" write { registers: 0xc value: 0x90000 } "
            "effects { rings { peer: 9 } } }\n"
            "steps { write { registers: 0xc value: 0x20000 } effects { pulses "
            "{ device: \"f\" } } }\n"
            "steps { load { size: 8 } gives: 0 effects { } }\n");
  EXPECT_EQ(Play(*recorded, *MakeSubject(*recorded)), absl::OkStatus());
}

// The text form is whole.
TEST(TextTest, PrintsWhatItReads) {
  Script script = Parse(R"(
      steps { write { memory: 0 size: 8 value: 0xffffffffffffffff } }
      steps { set_id { } effects { } } steps { set_id { id: 0 } })");
  script.set_about("what \"it\" shows\nand more");
  const auto again = ParseScript(PrintScript(script));
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), script.SerializeAsString());
  EXPECT_THAT(PrintScript(script), HasSubstr("# proto-file: proto/script.proto"
                                             "\n# proto-message: "
                                             "ivshmem.script.Script\n"));
}

TEST(TextTest, NamesThePlace) {
  EXPECT_EQ(ParseScript("steps {\n  reed { } }").status().message(),
            "line 2, column 8: Message type \"ivshmem.script.Step\" has no "
            "field named \"reed\".");
  EXPECT_EQ(ParseScript(std::string(kWorld) + "steps { }").status().message(),
            "steps[1].operation: expected one, got none");
}

}  // namespace
}  // namespace ivshmem::script
