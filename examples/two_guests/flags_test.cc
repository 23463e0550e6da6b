// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/flags.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem::two_guests {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

absl::StatusOr<Flags> Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "two_guests");
  return ParseFlags(static_cast<int>(arguments.size()), arguments.data());
}

TEST(FlagsTest, Defaults) {
  const auto flags = Parse({});
  ASSERT_TRUE(flags.ok());
  EXPECT_EQ(flags->vmm.messages, 1000u);
  EXPECT_EQ(flags->vmm.inject, Inject::kNothing);
  EXPECT_EQ(flags->engine, EngineWish::kAuto);
  EXPECT_FALSE(flags->trace);
  EXPECT_FALSE(flags->help.has_value());
}

TEST(FlagsTest, TakesValuesInBothForms) {
  const auto flags = Parse(
      {"--messages=5", "--inject", "flip-byte", "--trace", "--engine=unicorn"});
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->vmm.messages, 5u);
  EXPECT_EQ(flags->vmm.inject, Inject::kFlipByte);
  EXPECT_TRUE(flags->trace);
  EXPECT_EQ(flags->engine, EngineWish::kUnicorn);
  EXPECT_EQ(Parse({"--engine", "kvm"})->engine, EngineWish::kKvm);
  EXPECT_EQ(Parse({"--engine=auto"})->engine, EngineWish::kAuto);
  EXPECT_EQ(Parse({"--inject=drop-doorbell"})->vmm.inject,
            Inject::kDropDoorbell);
  EXPECT_EQ(Parse({"--inject=none"})->vmm.inject, Inject::kNothing);
  EXPECT_EQ(Parse({"--messages", "1000000"})->vmm.messages, 1000000u);
  EXPECT_FALSE(Parse({})->vmm.record);
  EXPECT_TRUE(Parse({"--record=f"})->vmm.record);
  EXPECT_EQ(Parse({"--record", "f"})->record, "f");
  EXPECT_FALSE(Parse({"--record"}).ok());
}

TEST(FlagsTest, TheLastOneCounts) {
  EXPECT_EQ(Parse({"--messages=5", "--messages=6"})->vmm.messages, 6u);
  EXPECT_TRUE(Parse({"--trace", "--trace"})->trace);
}

TEST(FlagsTest, HelpNamesEveryFlag) {
  const auto flags = Parse({"--help"});
  ASSERT_TRUE(flags.ok());
  ASSERT_TRUE(flags->help.has_value());
  for (const char* flag :
       {"--messages", "--engine", "--inject", "--config", "--trace", "--record",
        "--help", "drop-doorbell", "flip-byte", "Exit status"}) {
    EXPECT_THAT(*flags->help, HasSubstr(flag));
  }
}

struct Bad {
  std::vector<const char*> arguments;
  const char* message;
};

class BadFlagsTest : public testing::TestWithParam<Bad> {};

TEST_P(BadFlagsTest, SaysFlagExpectedAndGotInOneLine) {
  const absl::Status status = Parse(GetParam().arguments).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), GetParam().message);
  EXPECT_THAT(std::string(status.message()), Not(HasSubstr("\n")));
}

#define MESSAGES(got) \
  "--messages: expected a whole number from 1 to 1000000, got " got

INSTANTIATE_TEST_SUITE_P(
    All, BadFlagsTest,
    testing::Values(
        Bad{{"--messages"}, MESSAGES("nothing")},
        Bad{{"--messages="}, MESSAGES("nothing")},
        Bad{{"--messages", "--trace"}, MESSAGES("nothing")},
        Bad{{"--messages=0"}, MESSAGES("\"0\"")},
        Bad{{"--messages=-1"}, MESSAGES("\"-1\"")},
        Bad{{"--messages=1000001"}, MESSAGES("\"1000001\"")},
        Bad{{"--messages=4294967297"}, MESSAGES("\"4294967297\"")},
        Bad{{"--messages=1e3"}, MESSAGES("\"1e3\"")},
        Bad{{"--messages=12 34"}, MESSAGES("\"12 34\"")},
        Bad{{"--messages=1\n2"}, MESSAGES("\"1 2\"")},
        Bad{{"--engine"},
            "--engine: expected kvm, unicorn or auto, got nothing"},
        Bad{{"--engine=qemu"},
            "--engine: expected kvm, unicorn or auto, got \"qemu\""},
        Bad{{"--inject"},
            "--inject: expected drop-doorbell, flip-byte or none, got nothing"},
        Bad{{"--inject=fire"},
            "--inject: expected drop-doorbell, flip-byte or none, got "
            "\"fire\""},
        Bad{{"--trace=maybe"}, "--trace: expected no value, got \"maybe\""},
        Bad{{"--bogus"},
            "--bogus: expected a flag that --help lists, got \"--bogus\""},
        Bad{{"--bogus=3"},
            "--bogus: expected a flag that --help lists, got \"--bogus=3\""},
        Bad{{"-x"}, "-x: expected a flag that --help lists, got \"-x\""},
        Bad{{"--trace", "more"},
            "arguments: expected flags only, got \"more\""},
        Bad{{""}, "arguments: expected flags only, got nothing"}));

}  // namespace
}  // namespace ivshmem::two_guests
