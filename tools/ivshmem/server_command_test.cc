// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// `ivshmem server` as an operator meets it.

#include <sys/stat.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ivshmem/server_command_fixture.h"

namespace ivshmem::tool {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::StartsWith;

// A signal that ends it ends it cleanly: status 0, clients are let go, nothing
// is left.
TEST_F(ServerCommandTest, EndsCleanlyAtASignal) {
  for (const int signal : {SIGTERM, SIGINT}) {
    const std::string pid_file = directory_.File("pid");
    const auto server = Serve({"--shm-name", shm_, "--pid-file", pid_file,
                               "--status-socket", directory_.File("status")});
    const auto client = Join();
    ASSERT_TRUE(Until([&] { return fs::exists(pid_file); }));
    EXPECT_EQ(Content(pid_file), std::to_string(server->pid()) + "\n");
    EXPECT_TRUE(ShmExists(shm_));
    server->Signal(signal);
    EXPECT_EQ(server->Wait(), 0);
    EXPECT_EQ(server->err(), "");
    EXPECT_TRUE(Until([&] {
      client->Read();
      return client->closed();
    }));
    EXPECT_TRUE(fs::is_empty(directory_.path()));
    EXPECT_FALSE(ShmExists(shm_));
  }
}

// Memory that was there before is not the server's to remove.
TEST_F(ServerCommandTest, KeepsMemoryThatItDidNotMake) {
  const std::string file = directory_.File("memory");
  {
    const auto memory = MemoryObject::Shm(shm_, 4 << 20);
    ASSERT_TRUE(memory.ok());
    const auto server = Serve({"--shm-name", shm_});
    server->Signal(SIGTERM);
    EXPECT_EQ(server->Wait(), 0);
    EXPECT_TRUE(ShmExists(shm_));
  }
  const auto server = Serve({"--file", file, "--size", "64K"});
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(), 0);
  EXPECT_EQ(fs::file_size(file), 65536);
}

// A hang-up, as of the terminal, ends nothing.
TEST_F(ServerCommandTest, StaysAtAHangup) {
  const auto server = Serve({"--shm-name", shm_, "--state", state_});
  const auto client = Join();
  fs::remove(state_);
  server->Signal(SIGHUP);
  ASSERT_TRUE(Until([&] { return fs::exists(state_); }));
  EXPECT_THAT(Content(state_), HasSubstr("holdings"));
  const auto other = Join();
  EXPECT_EQ(other->id(), 1);
  client->Read();
  EXPECT_FALSE(client->closed());
}

// A second server is refused, in words, and harms nothing; QEMU's unlinks the
// live memory.
// Fault: server-second
TEST_F(ServerCommandTest, RefusesASecondServer) {
  const auto first = Serve({"--shm-name", shm_});
  const auto client = Join();
  EXPECT_EQ(Error(With({"--shm-name", shm_})),
            "ivshmem server: " + socket_ +
                ": another server serves it (it has locked " + socket_ +
                ".lock)\n");
  EXPECT_TRUE(ShmExists(shm_));
  EXPECT_EQ(Join()->id(), 1);
  client->Read();
  EXPECT_FALSE(client->closed());
}

// The socket of one that was killed is taken over.
TEST_F(ServerCommandTest, TakesOverAStaleSocket) {
  {
    const auto first = Serve();
    first->Signal(SIGKILL);
    EXPECT_EQ(first->Wait(), -SIGKILL);
  }
  ASSERT_TRUE(fs::exists(socket_));
  const auto second = Serve();
  EXPECT_EQ(Join()->id(), 0);
}

// What cannot be done is one line that names the flag, what was expected and
// what came, and status 2; nothing is left of the attempt.
TEST_F(ServerCommandTest, SaysWhatIsWrongInOneLine) {
  const auto error = [this](const Arguments& arguments) {
    std::string line = Error(With(arguments));
    EXPECT_THAT(line, StartsWith("ivshmem server: "));
    EXPECT_TRUE(fs::is_empty(directory_.path())) << line;
    EXPECT_FALSE(ShmExists(shm_));
    return line;
  };
  EXPECT_THAT(error({"--size", "3M"}),
              HasSubstr("--size: expected a power of two, as a PCI BAR has, "
                        "got 3M; the next one is 4M"));
  EXPECT_THAT(error({"--size", "four"}), HasSubstr("--size"));
  EXPECT_THAT(error({"--size", "0"}), HasSubstr("got 0"));
  EXPECT_THAT(error({"--shm-name", shm_, "--size", "2048"}), HasSubstr("4096"));
  EXPECT_THAT(error({"-l", "x"}), HasSubstr("-l: expected"));
  EXPECT_THAT(error({"--vectors", "0"}), HasSubstr("--vectors"));
  EXPECT_THAT(error({"--vectors", "2049"}), HasSubstr("2049"));
  EXPECT_THAT(
      error({"--max-peers", "65536", "--vectors", "2048", "--shm-name", shm_}),
      AllOf(HasSubstr("--max-peers 65536"), HasSubstr("2048 vectors"),
            HasSubstr("open files")));
  EXPECT_THAT(error({"--mode", "rw"}), HasSubstr("--mode: expected"));
  EXPECT_THAT(error({"--mode", "1777"}), HasSubstr("--mode: expected"));
  EXPECT_THAT(error({"--allow-uid", "no such user"}),
              HasSubstr("--allow-uid: expected a user's number or name"));
  EXPECT_THAT(error({"--allow-gid", "-1"}), HasSubstr("--allow-gid"));
  EXPECT_THAT(error({"--hugetlb", "3M"}), HasSubstr("--hugetlb"));
  EXPECT_THAT(error({"--memfd", "--shm-name", "x"}), HasSubstr("--memfd"));
  EXPECT_THAT(error({"--daemon", "--foreground"}), HasSubstr("--daemon"));
  EXPECT_THAT(error({"--file", directory_.File("no/where")}),
              HasSubstr("no/where"));
  EXPECT_THAT(error({"--status-socket", directory_.File("no/where")}),
              HasSubstr("no/where"));
  EXPECT_THAT(error({"--shm-name", shm_, "--pid-file", directory_.File("a/b")}),
              HasSubstr("a/b"));
  EXPECT_THAT(error({"--nonsense"}), HasSubstr("--nonsense"));
  EXPECT_THAT(error({"--state", state_}),
              HasSubstr("--state needs an object with a name"));
  EXPECT_THAT(error({"--state", state_, "--directory", "/tmp"}),
              HasSubstr("use --shm-name or --file instead of --directory"));
}

TEST_F(ServerCommandTest, NeedsASocket) {
  EXPECT_EQ(Error({"server"}),
            "ivshmem server: --socket: expected a path, got none (and no "
            "socket from systemd)\n");
}

// QEMU's server's flags mean the same; a size is rounded up, and that is said.
TEST_F(ServerCommandTest, UnderstandsTheFlagsOfQemusServer) {
  const std::string pid_file = directory_.File("pid");
  Process server({"server", "-F", "-v", "-S", socket_, "-M", shm_, "-l",
                  "3000000", "-n", "3", "-p", pid_file});
  ASSERT_TRUE(Until([&] { return Listens(); }));
  const auto client = Join();
  EXPECT_TRUE(Until([&] {
    client->Read();
    return client->peers().at(*client->id()) == 3;
  }));
  EXPECT_EQ(fs::file_size("/dev/shm/" + shm_), 4u << 20);
  EXPECT_TRUE(Until([&] { return fs::exists(pid_file); }));
  EXPECT_THAT(server.err(),
              HasSubstr("ivshmem server: -l: 3000000 bytes is rounded up to "
                        "4M (4194304), a power of two\n"));
}

// -m gives a directory, in which nothing is seen of the memory.
TEST_F(ServerCommandTest, TakesADirectoryForTheMemory) {
  const std::string inside = directory_.File("inside");
  fs::create_directory(inside);
  const auto server = Serve({"-m", inside, "-l", "64K"});
  const auto client = Join();
  struct stat memory;
  ASSERT_EQ(fstat(client->memory(), &memory), 0);
  EXPECT_EQ(memory.st_size, 65536);
  EXPECT_EQ(memory.st_nlink, 0u);
  EXPECT_TRUE(fs::is_empty(inside));
}

// Called by its name, it is QEMU's server: in the background.
TEST_F(ServerCommandTest, IsADropInWhenCalledByTheName) {
  const std::string pid_file = directory_.File("pid");
  Process starter({"-S", socket_, "-M", shm_, "-p", pid_file},
                  {.name = "/some/where/ivshmem-server"});
  EXPECT_EQ(starter.Wait(), 0);
  EXPECT_EQ(Join()->id(), 0);
  EXPECT_TRUE(ShmExists(shm_));
  ASSERT_EQ(kill(std::stoi(Content(pid_file)), SIGTERM), 0);
  EXPECT_TRUE(Until([&] { return fs::is_empty(directory_.path()); }));
}

// The starter of a daemon ends when the socket is there.
TEST_F(ServerCommandTest, GoesToTheBackground) {
  const std::string pid_file = directory_.File("pid");
  Process starter(With({"--daemon", "--pid-file", pid_file}));
  EXPECT_EQ(starter.Wait(), 0);
  ASSERT_TRUE(Listens());
  const int pid = std::stoi(Content(pid_file));
  EXPECT_NE(pid, starter.pid());
  EXPECT_EQ(getsid(pid), pid);
  EXPECT_EQ(fs::read_symlink("/proc/" + std::to_string(pid) + "/fd/2"),
            "/dev/null");
  ASSERT_EQ(kill(pid, SIGTERM), 0);
  EXPECT_TRUE(Until([&] { return fs::is_empty(directory_.path()); }));
}

// Or with the daemon's error.
TEST_F(ServerCommandTest, SaysWhyItCannotGoToTheBackground) {
  EXPECT_THAT(Error(With({"--daemon", "--file", directory_.File("no/where")})),
              MatchesRegex("ivshmem server: .*no/where.*\n"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

// Only who is on the list may join, by number or name.
TEST_F(ServerCommandTest, LetsInOnlyWhoIsAllowed) {
  {
    const auto server = Serve({"--allow-uid", "4711", "--allow-gid", "4712"});
    const auto client = Join();
    EXPECT_TRUE(client->closed());
    EXPECT_TRUE(client->told().empty());
  }
  const auto server =
      Serve({"--allow-uid", "4711", "--allow-uid", "root", "--mode", "0660"});
  EXPECT_EQ(Join()->id(), 0);
  struct stat file;
  ASSERT_EQ(stat(socket_.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & ALLPERMS, 0660u);
}

// -v says who comes and goes, and why.
TEST_F(ServerCommandTest, SaysWhoComesAndGoes) {
  const auto server = Serve({"-v", "--max-peers", "1"});
  Join()->Close();
  ASSERT_TRUE(Until([&] {
    return server->err().find("left: hung up") != std::string::npos;
  }));
  const auto client = Join();
  EXPECT_TRUE(Join()->closed());
  EXPECT_TRUE(Until([&] {
    return server->err().find("refused: full (pid " +
                              std::to_string(getpid())) != std::string::npos;
  })) << server->err();
  EXPECT_THAT(server->err(), HasSubstr("peer 0 joined (pid"));
}

// The status is shown without joining: as a table, and as it is.
TEST_F(ServerCommandTest, ShowsItsStatus) {
  const std::string status = directory_.File("status");
  const auto server = Serve({"--status-socket", status, "--vectors", "3"});
  const auto client = Join();
  ASSERT_TRUE(Until([&] { return fs::exists(status); }));
  Process table({"status", "--status-socket", status});
  EXPECT_EQ(table.Wait(), 0);
  EXPECT_THAT(table.out(),
              AllOf(HasSubstr("peers     1 of 1024, with 3 vectors each"),
                    HasSubstr("memfd, 4M"), HasSubstr("joined    1"),
                    HasSubstr(" " + std::to_string(getpid()) + " ")));
  Process document({"status", "--status-socket", status, "--json"});
  EXPECT_EQ(document.Wait(), 0);
  const auto json = nlohmann::json::parse(document.out());
  EXPECT_EQ(json["socket"], socket_);
  EXPECT_EQ(json["peers"].size(), 1);
  EXPECT_EQ(json["pid"], server->pid());
}

TEST_F(ServerCommandTest, SaysThatThereIsNoStatus) {
  EXPECT_THAT(Error({"status", "--status-socket", directory_.File("x")}),
              StartsWith("ivshmem status: "));
  EXPECT_THAT(Error({"status"}), HasSubstr("--status-socket"));
  // Another program's socket.
  const auto server = Serve();
  EXPECT_THAT(Error({"status", "--status-socket", socket_, "--timeout", "0.1"}),
              StartsWith("ivshmem status: "));
}

// --check looks at the options and does nothing.
TEST_F(ServerCommandTest, ChecksOnly) {
  Process good(With({"--check"}));
  EXPECT_EQ(good.Wait(), 0);
  EXPECT_THAT(Error(With({"--check", "--size", "3M"})), HasSubstr("--size"));
  EXPECT_TRUE(fs::is_empty(directory_.path()));
}

}  // namespace
}  // namespace ivshmem::tool
