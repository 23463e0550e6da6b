// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// `ivshmem replay` as people run it.

#include <cstdlib>
#include <fstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/server_fixture.h"
#include "tools/ivshmem/test_process.h"

namespace ivshmem::tool {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr char kWorld[] =
    "world { regions { name: 'r' size: 4096 }"
    "  devices { name: 'pc' region: 'r' id: 1"
    "            pci { slot: 4 bar0: 0xfe000000 } } }\n"
    "steps { write { config: 4 size: 2 value: 2 } }\n";

struct Ended {
  int status;
  std::string out;
  std::string err;
};

class ReplayTest : public testing::Test {
 protected:
  Ended Replay(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "replay");
    Process process(arguments);
    const int status = process.Wait();
    return {status, process.out(), process.err()};
  }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = directory_.File(name);
    std::ofstream(path) << text;
    return path;
  }

  static std::string Golden(const std::string& name) {
    return std::string(std::getenv("TEST_SRCDIR")) + "/" +
           std::getenv("TEST_WORKSPACE") + "/testdata/scripts/" + name +
           ".textproto";
  }

  const server::ShortDirectory directory_;
};

// Status 0, and nothing said, when all is as the Scripts say.
TEST_F(ReplayTest, PlaysScripts) {
  for (const std::string acceleration :
       {"none", "all", "limited", "swallowing"}) {
    const Ended ended = Replay({"--acceleration", acceleration, Golden("bars"),
                                Golden("doorbell"), Golden("two_devices")});
    EXPECT_EQ(ended.status, 0);
    EXPECT_EQ(ended.out + ended.err, "");
  }
}

// Status 1, and the first mismatch on one line: file, step, what was expected
// and what came.
TEST_F(ReplayTest, NamesTheMismatch) {
  const std::string path = Write(
      "bad", std::string(kWorld) + "steps { read { registers: 8 } gives: 2 }");
  const Ended ended = Replay({Golden("flat"), path, Golden("bars")});
  EXPECT_EQ(ended.status, 1);
  EXPECT_EQ(ended.out, "");
  EXPECT_EQ(ended.err, "ivshmem replay: " + path +
                           ": steps[1] (pc reads 4 bytes at registers+0x8): "
                           "expected 0x2, got 0x1\n");
}

// Status 2, and one line, for what is no Script or not there. Nothing is played
// then.
TEST_F(ReplayTest, RefusesBadFiles) {
  const std::string mismatch =
      Write("mismatch",
            std::string(kWorld) + "steps { read { registers: 8 } gives: 2 }");
  const auto error = [&](const std::string& path) {
    const Ended ended = Replay({mismatch, path});
    EXPECT_EQ(ended.status, 2);
    EXPECT_EQ(ended.out, "");
    EXPECT_THAT(ended.err, StartsWith("ivshmem replay: "));
    EXPECT_EQ(ended.err.find('\n'), ended.err.size() - 1);
    return ended.err;
  };
  const std::string bad = Write("bad", "steps {\n  reed { } }");
  EXPECT_THAT(error(bad), HasSubstr(bad + ": line 2, column 8: "));
  EXPECT_THAT(error(Write("wrong", std::string(kWorld) + "steps { }")),
              HasSubstr("/wrong: steps[1].operation: expected one, got none"));
  EXPECT_THAT(error("/nowhere"), HasSubstr("expected one that is there"));
  EXPECT_THAT(error("/tmp"), HasSubstr("/tmp"));
  EXPECT_EQ(Replay({}).status, 2);
  EXPECT_EQ(Replay({"--acceleration", "much", bad}).status, 2);
  // What only the devices find wrong.
  const Ended ended =
      Replay({Write("small",
                    "world { regions { name: 'r' size: 8 } "
                    "devices { name: 'pc' region: 'r' pci { } } }")});
  EXPECT_EQ(ended.status, 2);
  EXPECT_THAT(ended.err,
              HasSubstr("/small: world.devices[0].memory.size: expected"));
}

// --fill gives a Script that plays.
TEST_F(ReplayTest, FillsIn) {
  const Ended filled =
      Replay({"--fill", Write("steps", std::string(kWorld) +
                                           "steps { read { registers: 8 } }")});
  EXPECT_EQ(filled.status, 0) << filled.err;
  EXPECT_THAT(
      filled.out,
      HasSubstr("steps { read { registers: 8 } gives: 1 effects { } }"));
  EXPECT_EQ(Replay({Write("filled", filled.out)}).status, 0);
}

// --shrink gives a Script in which the same goes wrong.
TEST_F(ReplayTest, Shrinks) {
  std::string text = kWorld;
  for (int i = 0; i < 50; ++i) {
    text += "steps { write { registers: 0 value: " + std::to_string(i) +
            " } effects { } }\n";
  }
  text += "steps { read { registers: 0 } gives: 7 }\n";
  const Ended shrunk = Replay({"--shrink", Write("long", text)});
  EXPECT_EQ(shrunk.status, 1);
  EXPECT_THAT(shrunk.err, HasSubstr("steps[51]"));
  EXPECT_EQ(shrunk.out.substr(shrunk.out.find("steps")),
            "steps { write { config: 4 value: 2 } }\n"
            "steps { write { registers: 0 value: 0x31 } }\n"
            "steps { read { registers: 0 } gives: 7 }\n");
  const Ended again = Replay({Write("short", shrunk.out)});
  EXPECT_EQ(again.status, 1);
  EXPECT_THAT(again.err, HasSubstr("expected 0x7, got 0x31"));
}

}  // namespace
}  // namespace ivshmem::tool
