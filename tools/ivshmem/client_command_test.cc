// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// The commands that join a server as a peer, run as an operator runs them.

#include <csignal>
#include <cstdint>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/text.h"
#include "testing/interop/server_process.h"
#include "testing/process.h"

namespace ivshmem {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using Command = std::vector<std::string>;

class ClientCommand : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(server_.Start()); }

  std::string Run(const Command& command) {
    return RunCommand(server_, command);
  }
  // What a command says that fails with status 2.
  std::string Fails(const Command& command) {
    const std::unique_ptr<Process> process = StartCommand(server_, command);
    if (process == nullptr) return "";
    EXPECT_EQ(*process->Wait(kPatience), "exit status 2");
    return process->Output();
  }
  std::string File(const std::string& name) const {
    return server_.socket_path() + "." + name;
  }

  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
};

// A line, from the command's name to the one end of line.
MATCHER_P2(IsErrorLine, command, text, "") {
  return absl::StartsWith(arg, std::string(command) + ": ") &&
         absl::StrContains(arg, text) && arg.find('\n') == arg.size() - 1;
}

// `info`: what the server says of itself.
TEST_F(ClientCommand, Info) {
  EXPECT_THAT(Run({"info"}), AllOf(HasSubstr("vectors      2\n"),
                                   HasSubstr("1M (1048576 bytes)")));
  EXPECT_EQ(Run({"info", "--json"}),
            R"({"id":0,"memory_bytes":1048576,"memory_sealed":true,)"
            R"("other_peers":0,"protocol":0,"vectors":2})"
            "\n");
}

// `peers`: a line for each, the command's own marked.
TEST_F(ClientCommand, Peers) {
  const auto watch = StartCommand(server_, {"watch", "--ignore-input"});
  ASSERT_TRUE(Writes(*watch, "watching as 0"));
  EXPECT_EQ(Run({"peers"}),
            " peer  vectors\n"
            "    0        2\n"
            "    1        2  (this command)\n");
  EXPECT_EQ(Run({"peers", "--json"}), R"([{"peer":0,"self":false,"vectors":2},)"
                                      R"({"peer":1,"self":true,"vectors":2}])"
                                      "\n");
}

// One that comes once leaves no trace: the next has its id.
TEST_F(ClientCommand, IdsOfCommandsAreNotKept) {
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(Run({"info", "--json"}), StartsWith(R"({"id":0,)"));
  }
}

// `watch` tells of interrupts and of peers that come and go, a line each.
TEST_F(ClientCommand, Watch) {
  const auto watch =
      StartCommand(server_, {"watch", "--json", "--ignore-input"});
  ASSERT_TRUE(Writes(*watch, R"("event":"watching","as":0})"));
  Run({"ring", "--peer", "0", "--vector", "1"});
  EXPECT_TRUE(Writes(*watch, R"("event":"joined","peer":1})"));
  EXPECT_TRUE(Writes(*watch, R"("event":"interrupt","vector":1})"));
  EXPECT_TRUE(Writes(*watch, R"("event":"left","peer":1})"));
}

// `record`: who is there, comes, goes and rings, as a Script that replays.
TEST_F(ClientCommand, Record) {
  const auto watch = StartCommand(server_, {"watch", "--ignore-input"});
  ASSERT_TRUE(Writes(*watch, "watching as 0"));
  const auto record =
      StartCommand(server_, {"record", "--ignore-input", "--count", "2"});
  ASSERT_TRUE(Writes(*record, "recording as 1"));
  Run({"ring", "--peer", "1", "--vector", "1"});
  Run({"ring", "--peer", "1", "--vector", "0"});
  EXPECT_EQ(*record->Wait(kPatience), "exit status 0");
  const std::string written = record->Output();
  const std::string text = written.substr(written.find("# proto-file"));
  const auto recorded = script::ParseScript(text);
  ASSERT_TRUE(recorded.ok()) << recorded.status() << text;
  EXPECT_EQ(recorded->world().regions(0).size(), 1u << 20);
  EXPECT_EQ(recorded->world().devices(0).id(), 1u);
  EXPECT_EQ(recorded->world().devices(0).pci().vectors(), 2u);
  EXPECT_EQ(recorded->steps(0).peer_joins().id(), 0u) << text;
  EXPECT_EQ(recorded->steps(0).peer_joins().vectors(), 2u) << text;
  std::vector<uint32_t> vectors;
  int gone = 0;
  for (const script::Step& step : recorded->steps()) {
    if (step.has_interrupt()) vectors.push_back(step.interrupt().vector());
    gone += step.has_peer_leaves() ? 1 : 0;
  }
  EXPECT_THAT(vectors, ElementsAre(1, 0)) << text;
  EXPECT_GE(gone, 1) << text;

  const auto subject = script::MakeLibrarySubject(recorded->world());
  ASSERT_TRUE(subject.ok()) << subject.status();
  EXPECT_EQ(script::Play(*recorded, **subject), absl::OkStatus());
}

// `ring --all` rings each vector of each peer but its own.
TEST_F(ClientCommand, RingAll) {
  const auto watch =
      StartCommand(server_, {"watch", "--json", "--ignore-input"});
  ASSERT_TRUE(Writes(*watch, R"("event":"watching","as":0})"));
  Run({"ring", "--all"});
  EXPECT_TRUE(Writes(*watch, R"("event":"interrupt","vector":0})"));
  EXPECT_TRUE(Writes(*watch, R"("event":"interrupt","vector":1})"));
}

// "Stops cleanly on SIGINT", "on the end of its input", after so many
// interrupts.
// Fault: client-input-ends
TEST_F(ClientCommand, WatchEnds) {
  const auto interrupted = StartCommand(server_, {"watch", "--ignore-input"});
  ASSERT_TRUE(Writes(*interrupted, "watching as"));
  interrupted->Signal(SIGINT);
  EXPECT_EQ(*interrupted->Wait(kPatience), "exit status 0");

  const auto no_input = StartCommand(server_, {"watch"});
  EXPECT_EQ(*no_input->Wait(kPatience), "exit status 0");

  const auto counting =
      StartCommand(server_, {"watch", "--ignore-input", "--count", "2"});
  ASSERT_TRUE(Writes(*counting, "watching as"));
  Run({"ring", "--all"});
  EXPECT_EQ(*counting->Wait(kPatience), "exit status 0");
}

// The server's end is the command's, and an error.
TEST_F(ClientCommand, WatchLosesItsServer) {
  const auto watch = StartCommand(server_, {"watch", "--ignore-input"});
  ASSERT_TRUE(Writes(*watch, "watching as"));
  server_.Kill();
  EXPECT_EQ(*watch->Wait(kPatience), "exit status 2");
  EXPECT_THAT(watch->Output(), HasSubstr("closed the connection"));
}

// `mem load`, `poke` and `dump` write and read the same bytes.
TEST_F(ClientCommand, Memory) {
  std::ofstream(File("in")) << "sixteen bytes...";
  Run({"mem", "load", "--offset", "0x10", File("in")});
  Run({"mem", "poke", "--offset", "0x20", "00ff"});
  EXPECT_EQ(Run({"mem", "dump", "--raw", "--offset", "0x10", "--length", "16"}),
            "sixteen bytes...");
  EXPECT_EQ(Run({"mem", "dump", "--offset", "0x10", "--length", "0x12"}),
            "00000010  73 69 78 74 65 65 6e 20  62 79 74 65 73 2e 2e 2e  "
            "|sixteen bytes...|\n"
            "00000020  00 ff                                             "
            "|..|\n");
}

// What does not fit in the memory is not written in part.
TEST_F(ClientCommand, MemoryHasAnEnd) {
  std::ofstream(File("in")) << "ab";
  EXPECT_THAT(Fails({"mem", "load", "--offset", "0xfffff", File("in")}),
              IsErrorLine("ivshmem mem load", "--offset"));
  EXPECT_THAT(Fails({"mem", "poke", "--offset", "0xfffff", "aabb"}),
              IsErrorLine("ivshmem mem poke", "--offset"));
  EXPECT_THAT(Fails({"mem", "dump", "--offset", "1M", "--length", "1"}),
              IsErrorLine("ivshmem mem dump", "--offset"));
  EXPECT_EQ(Run({"mem", "dump", "--raw", "--offset", "0xfffff"}),
            std::string(1, '\0'));
}

// "Errors in one line with exit status 2."
TEST_F(ClientCommand, Errors) {
  EXPECT_THAT(Fails({"ring"}), IsErrorLine("ivshmem ring", "--peer"));
  EXPECT_THAT(Fails({"ring", "--peer", "5"}),
              IsErrorLine("ivshmem ring", "no peer has the id 5"));
  EXPECT_THAT(Fails({"ring", "--peer", "65536"}),
              IsErrorLine("ivshmem ring", "65536"));
  EXPECT_THAT(Fails({"mem", "poke", "--offset", "0", "0g"}),
              IsErrorLine("ivshmem mem poke", "'0g'"));
  EXPECT_THAT(Fails({"mem", "load", File("nothing")}),
              IsErrorLine("ivshmem mem load", "cannot read"));
  EXPECT_THAT(Fails({"peers", "--loud"}), IsErrorLine("ivshmem peers", "loud"));
  server_.Stop();
  EXPECT_THAT(Fails({"peers"}),
              IsErrorLine("ivshmem peers", "No such file or directory"));
}

// Each has its help, with an example to copy.
TEST_F(ClientCommand, Help) {
  for (const Command& command :
       {Command{"peers"}, Command{"ring"}, Command{"watch"}, Command{"info"},
        Command{"mem", "dump"}, Command{"mem", "load"}, Command{"mem", "poke"},
        Command{"status"}, Command{"server"}}) {
    Command help = command;
    help.emplace_back("--help");
    EXPECT_THAT(Run(help), AllOf(HasSubstr("Usage: ivshmem"),
                                 ContainsRegex("Examples?:\n  ivshmem ")))
        << command.back();
  }
}

}  // namespace
}  // namespace ivshmem
