// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// `ivshmem server` survives its own restart, also under systemd.

#include <sys/socket.h>
#include <sys/un.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>

#include "backends/linux/identity.h"
#include "backends/linux/memory_object.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tools/ivshmem/server_command_fixture.h"

namespace ivshmem::tool {
namespace {

namespace fs = std::filesystem;

using testing::AllOf;
using testing::HasSubstr;

// A test that runs beside this one has others.
const std::string kAlice = RandomIdentity();
const std::string kBob = RandomIdentity();

class RestartTest : public ServerCommandTest {
 protected:
  Arguments Stateful() const { return {"--shm-name", shm_, "--state", state_}; }

  static MemoryObject MemoryOf(const server::TestClient& client) {
    return *MemoryObject::Adopt(UniqueFd(dup(client.memory())));
  }

  void Kill(Process& server) {
    server.Signal(SIGKILL);
    EXPECT_EQ(server.Wait(), -SIGKILL);
  }
};

// After a server was killed, clients that come again get their ids and the same
// memory with what it held; ids of clients that cannot be known again go to
// nobody.
TEST_F(RestartTest, ClientsGetTheirIdsAndTheSameMemory) {
  auto server = Serve(Stateful());
  const auto stranger = Join();
  const auto alice = Join(kAlice);
  const auto bob = Join(kBob);
  ASSERT_EQ(*stranger->id(), 0);
  ASSERT_EQ(*alice->id(), 1);
  ASSERT_EQ(*bob->id(), 2);
  const MemoryObject before = MemoryOf(*alice);
  std::strcpy(reinterpret_cast<char*>(before.Map()->view().data), "kept");
  Kill(*server);
  alice->Close();
  bob->Close();

  server = std::make_unique<Process>(With(Stateful()));
  ASSERT_TRUE(Until([&] { return Listens(); }));
  EXPECT_EQ(Join(kBob)->id(), 2);
  const auto again = Join(kAlice);
  EXPECT_EQ(again->id(), 1);
  EXPECT_GE(*Join()->id(), 3);
  const MemoryObject after = MemoryOf(*again);
  EXPECT_EQ(after.identity(), before.identity());
  EXPECT_STREQ(reinterpret_cast<char*>(after.Map()->view().data), "kept");
}

// The same after it was stopped, as for an update: shared memory and state
// stay.
TEST_F(RestartTest, ACleanEndIsARestartToo) {
  auto server = Serve(Stateful());
  const auto alice = Join(kAlice);
  const PeerId id = *alice->id();
  const auto identity = MemoryOf(*alice).identity();
  server->Signal(SIGTERM);
  EXPECT_EQ(server->Wait(), 0);
  EXPECT_TRUE(ShmExists(shm_));
  alice->Close();
  server = Serve(Stateful());
  const auto again = Join(kAlice);
  EXPECT_EQ(again->id(), id);
  EXPECT_EQ(MemoryOf(*again).identity(), identity);
}

// Without a state nothing is known.
TEST_F(RestartTest, WithoutStateItStartsAnew) {
  auto server = Serve();
  const auto first = Join();
  const auto alice = Join(kAlice);
  EXPECT_EQ(alice->id(), 1);
  Kill(*server);
  alice->Close();
  server = Serve();
  EXPECT_EQ(Join(kAlice)->id(), 0);
}

// A server that would not be the same says what changed; state and memory stay.
TEST_F(RestartTest, RefusesToBeAnother) {
  {
    const auto server = Serve(Stateful());
    ASSERT_TRUE(Until([&] { return fs::exists(state_); }));
    Kill(*server);
  }
  const std::string before = Content(state_);
  const auto error = [&](Arguments arguments) {
    arguments.insert(arguments.end(), {"--state", state_});
    std::string line = Error(With(arguments));
    EXPECT_THAT(line, AllOf(HasSubstr("--state " + state_),
                            HasSubstr("remove the file to start anew")));
    EXPECT_EQ(Content(state_), before);
    return line;
  };
  EXPECT_THAT(error({"--shm-name", shm_, "--vectors", "2"}),
              HasSubstr("--vectors 1, but now it is 2"));
  EXPECT_THAT(error({"--shm-name", shm_ + "x"}),
              HasSubstr("but now it is '" + shm_ + "x'"));
  EXPECT_FALSE(ShmExists(shm_ + "x"));
  EXPECT_THAT(error({"--shm-name", shm_, "--size", "8M"}),
              HasSubstr("4194304, but now it is 8388608"));
  EXPECT_THAT(error({"--file", directory_.File("file")}),
              HasSubstr("shared memory, but now it is a file"));
  EXPECT_EQ(fs::file_size("/dev/shm/" + shm_), 4u << 20);
  // Another object of the same name; a new one is not left behind.
  const std::string kept = "/dev/shm/" + shm_ + ".kept";
  fs::rename("/dev/shm/" + shm_, kept);
  EXPECT_THAT(error({"--shm-name", shm_}), HasSubstr("the memory object"));
  EXPECT_FALSE(ShmExists(shm_));
  fs::rename(kept, "/dev/shm/" + shm_);
  const auto server = Serve(Stateful());
  Join();
  EXPECT_EQ(server->err(), "");
}

// A state file that makes no sense ends the start, with its name and the field.
TEST_F(RestartTest, RefusesAStateThatMakesNoSense) {
  std::ofstream(state_) << "boot_id: 'x' memory { kind: SHM }";
  EXPECT_THAT(Error(With(Stateful())),
              AllOf(HasSubstr(state_), HasSubstr("memory.name: expected")));
  EXPECT_FALSE(fs::exists(socket_));
  EXPECT_FALSE(ShmExists(shm_));
  std::ofstream(state_) << std::string(100, '\xff');
  EXPECT_THAT(Error(With(Stateful())), HasSubstr(state_ + ": line 1"));
}

// One of an earlier run of the kernel is of no use, which is said.
TEST_F(RestartTest, IgnoresAStateOfBeforeABoot) {
  std::ofstream(state_) << "boot_id: 'x' vectors: 7 memory { kind: SHM "
                           "name: 'x' size: 4096 } holdings { id: 0 }";
  const auto server = Serve(Stateful());
  EXPECT_EQ(Join()->id(), 0);
  EXPECT_THAT(server->err(), HasSubstr("is of before the machine was booted"));
}

// A state that cannot be written is known at the start.
TEST_F(RestartTest, SaysAtOnceThatTheStateCannotBeWritten) {
  EXPECT_THAT(
      Error(With({"--shm-name", shm_, "--state", directory_.File("no/where")})),
      HasSubstr("no/where"));
  EXPECT_FALSE(ShmExists(shm_));
}

// systemd, as a service sees it.
class SystemdTest : public RestartTest {
 protected:
  SystemdTest() : notify_(socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0)) {
    sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = {}};
    notify_path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(notify_.get(), reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)),
              0);
  }

  Process::Options Notified() const {
    return {.environment = {{"NOTIFY_SOCKET", notify_path_}}};
  }

  // Waits for a notification that has `text` in it; the descriptor that came
  // with it.
  UniqueFd Notification(const std::string& text) {
    UniqueFd fd;
    EXPECT_TRUE(Until([&] {
      std::vector<uint8_t> buffer(4096);
      auto received =
          unix_socket::Receive(notify_.get(), absl::MakeSpan(buffer));
      if (!received.ok() || received->bytes == 0) return false;
      const std::string said(buffer.begin(), buffer.begin() + received->bytes);
      if (said.find(text) == std::string::npos) return false;
      if (!received->fds.empty()) fd = std::move(received->fds[0]);
      return true;
    })) << text;
    return fd;
  }

  const std::string notify_path_ = directory_.File("notify");
  const UniqueFd notify_;
};

// It says when it is ready, how many peers there are, and when it ends.
TEST_F(SystemdTest, HearsOfTheService) {
  const auto server = Serve({}, Notified());
  Notification("READY=1");
  const auto client = Join();
  Notification("STATUS=1 peers");
  server->Signal(SIGTERM);
  Notification("STOPPING=1");
  EXPECT_EQ(server->Wait(), 0);
}

// It says that it lives as often as it has to.
TEST_F(SystemdTest, HearsThatTheServiceLives) {
  Process::Options options = Notified();
  options.environment["WATCHDOG_USEC"] = "200000";
  const auto server = Serve({}, options);
  for (int i = 0; i < 3; ++i) Notification("WATCHDOG=1");
}

// It serves a socket that is handed in, and leaves it where it is.
TEST_F(SystemdTest, HandsInTheSocket) {
  auto listener = unix_socket::Listen(socket_, 0600);
  ASSERT_TRUE(listener.ok());
  const std::string status_path = directory_.File("status");
  const auto status = unix_socket::Listen(status_path, 0600);
  Process server({"server", "--vectors", "2"},
                 {.listen_fds = {status->get(), listener->get()},
                  .listen_names = "status:ivshmem.socket"});
  EXPECT_EQ(Join()->id(), 0);
  Process shown({"status", "--status-socket", status_path});
  EXPECT_EQ(shown.Wait(), 0);
  EXPECT_THAT(shown.out(), HasSubstr("at " + socket_));
  server.Signal(SIGTERM);
  EXPECT_EQ(server.Wait(), 0);
  EXPECT_TRUE(fs::exists(socket_));
  EXPECT_FALSE(fs::exists(socket_ + ".lock"));
}

// What is handed in must make sense.
TEST_F(SystemdTest, HandsInNothingElse) {
  const auto listener = unix_socket::Listen(socket_, 0600);
  const auto handed_in = [](std::vector<int> fds, std::string names) {
    return Process::Options{.listen_fds = std::move(fds),
                            .listen_names = std::move(names)};
  };
  EXPECT_THAT(Error({"server"}, handed_in({notify_.get()}, "x")),
              HasSubstr("expected a listening UNIX stream socket"));
  EXPECT_THAT(
      Error({"server"}, handed_in({listener->get(), listener->get()}, "x:y")),
      HasSubstr("LISTEN_FDNAMES: expected one socket"));
  EXPECT_THAT(Error({"server", "--socket", "/other"},
                    handed_in({listener->get()}, "x")),
              HasSubstr("expected '/other', got '" + socket_ + "'"));
}

// It keeps a memfd over a restart: clients get the same memory and ids.
TEST_F(SystemdTest, StoresTheMemory) {
  UniqueFd stored;
  MemoryObject::Identity identity;
  PeerId id;
  {
    const auto server = Serve({"--memfd", "--state", state_}, Notified());
    stored = Notification("FDSTORE=1\nFDNAME=ivshmem-memory");
    ASSERT_TRUE(stored.valid());
    const auto alice = Join(kAlice);
    identity = MemoryOf(*alice).identity();
    id = *alice->id();
    Kill(*server);
  }
  Process::Options options = Notified();
  options.listen_fds = {stored.get()};
  options.listen_names = "ivshmem-memory";
  {
    const auto server = Serve({"--memfd", "--state", state_}, options);
    const auto alice = Join(kAlice);
    EXPECT_EQ(MemoryOf(*alice).identity(), identity);
    EXPECT_EQ(*alice->id(), id);
    EXPECT_EQ(server->err(), "");
    server->Signal(SIGTERM);
    EXPECT_EQ(server->Wait(), 0);
  }
  // After a stop systemd has it no more: all is new, which is said.
  const auto server = Serve({"--memfd", "--state", state_}, Notified());
  EXPECT_NE(MemoryOf(*Join()).identity(), identity);
  EXPECT_THAT(server->err(), HasSubstr("systemd has not stored the memory"));
}

// Memory of another size is not what was asked for.
TEST_F(SystemdTest, RefusesMemoryOfAnotherSize) {
  const auto memory = MemoryObject::Memfd(8192);
  EXPECT_THAT(
      Error(With({"--size", "4096"}),
            {.listen_fds = {memory->fd()}, .listen_names = "ivshmem-memory"}),
      AllOf(HasSubstr("4096"), HasSubstr("8192")));
}

}  // namespace
}  // namespace ivshmem::tool
