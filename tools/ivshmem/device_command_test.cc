// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// `ivshmem device` as a process, with the real `ivshmem server` and clients as
// a VMM has them.

#include <sys/mman.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "proto/script.pb.h"
#include "script/library_subject.h"
#include "script/play.h"
#include "script/text.h"
#include "testing/interop/server_process.h"
#include "testing/process.h"
#include "testing/vfio_user/client.h"

namespace ivshmem {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using vfio_user::Client;

constexpr uint32_t kConfig = VFIO_PCI_CONFIG_REGION_INDEX;
constexpr uint32_t kMsix = VFIO_PCI_MSIX_IRQ_INDEX;
constexpr uint32_t kSetEvents =
    VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER;

class DeviceCommand : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(server_.Start()); }

  std::string File(const std::string& name) const {
    return server_.socket_path() + "." + name;
  }
  std::unique_ptr<Process> Start(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "device");
    auto process = Process::Start(
        {.program = "tools/ivshmem/ivshmem", .arguments = arguments});
    EXPECT_TRUE(process.ok()) << process.status();
    return process.ok() ? *std::move(process) : nullptr;
  }
  std::unique_ptr<Process> Serve(const std::vector<std::string>& arguments) {
    auto process = Start(arguments);
    if (process != nullptr) Writes(*process, "ivshmem device: serving");
    return process;
  }
  std::unique_ptr<Process> Join(std::vector<std::string> arguments) {
    arguments.insert(arguments.end(),
                     {"--server", server_.socket_path(), "--vectors", "2"});
    return Serve(arguments);
  }
  static void Stop(Process& process) {
    process.Signal(SIGTERM);
    const auto end = process.Wait(kPatience);
    ASSERT_TRUE(end.ok()) << end.status();
    EXPECT_EQ(*end, "exit status 0") << process.Output();
  }
  // The one line that it says when it fails.
  std::string Fails(const std::vector<std::string>& arguments) {
    const auto process = Start(arguments);
    if (process == nullptr) return "";
    EXPECT_EQ(*process->Wait(kPatience), "exit status 2");
    const std::string said = process->Output();
    EXPECT_EQ(said.find('\n'), said.size() - 1) << said;
    return said;
  }
  static std::string Content(const std::string& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  static void Enable(Client& client, const EventFd& event, uint32_t vector) {
    client.Write(kConfig, 4, 0x6, 2);
    client.Write(kConfig, 0x42, 0x8000, 2);
    EXPECT_EQ(client.SetIrqs(kSetEvents, kMsix, vector, 1, {event.fd()}), 0u);
  }
  static bool Comes(EventFd& event) {
    const absl::Time end = absl::Now() + kPatience;
    while (!event.Drain()) {
      if (absl::Now() > end) return false;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return true;
  }
  // Rings until it is heard, as a peer may not have been told of yet.
  static bool RingUntilHeard(Client& client, uint32_t value, EventFd& event) {
    const absl::Time end = absl::Now() + kPatience;
    while (absl::Now() < end) {
      client.Write(0, 12, value, 4);
      if (event.Drain()) return true;
      absl::SleepFor(absl::Milliseconds(1));
    }
    return false;
  }

  ServerProcess server_{{"--vectors", "2", "--size", "1M"}};
};

// Two devices of one process are two peers of the server: they ring each other
// and share its memory.
TEST_F(DeviceCommand, JoinsAServer) {
  const auto process =
      Join({"--vfio-user", File("a"), "--vfio-user", File("b")});
  Client a(File("a"));
  Client b(File("b"));
  a.Greet();
  b.Greet();
  EXPECT_EQ(a.Read(0, 8, 4), 0u);
  EXPECT_EQ(b.Read(0, 8, 4), 1u);
  EXPECT_EQ(a.GetIrqInfo(kMsix).count, 2u);
  const auto event = *EventFd::Create();
  Enable(b, *event, 1);
  EXPECT_TRUE(RingUntilHeard(a, 1 << 16 | 1, *event));
  UniqueFd fds[2];
  EXPECT_EQ(a.GetRegionInfo(2, &fds[0]).size, 1u << 20);
  b.GetRegionInfo(2, &fds[1]);
  a.Write(2, 100, 0x77, 1);
  uint8_t* const map = static_cast<uint8_t*>(
      mmap(nullptr, 4096, PROT_READ, MAP_SHARED, fds[1].get(), 0));
  ASSERT_NE(map, MAP_FAILED);
  EXPECT_EQ(map[100], 0x77);
  munmap(map, 4096);
  // The server's other peers as well.
  RunCommand(server_, {"ring", "--peer", "1", "--vector", "1"});
  EXPECT_TRUE(Comes(*event));
  EXPECT_EQ(RunCommand(server_, {"mem", "dump", "--raw", "--offset", "100",
                                 "--length", "1"}),
            "\x77");
  Stop(*process);
  EXPECT_FALSE(std::filesystem::exists(File("a")));
}

// The server is started anew; the device goes on, and comes back to it.
TEST_F(DeviceCommand, OutlivesTheServer) {
  ServerProcess server({"--vectors", "2", "--size", "1M", "--file", "%d/memory",
                        "--state", "%d/state"});
  ASSERT_NO_FATAL_FAILURE(server.Start());
  const auto process = Serve({"--vfio-user", File("a"), "--server",
                              server.socket_path(), "--vectors", "2"});
  Client client(File("a"));
  client.Greet();
  const auto event = *EventFd::Create();
  Enable(client, *event, 0);
  ASSERT_TRUE(RingUntilHeard(client, 0, *event));
  server.Stop();
  EXPECT_TRUE(Writes(*process, "server: "));
  // What was rung before has been heard by now.
  for (int i = 0; i < 5; ++i) EXPECT_EQ(client.Read(0, 8, 4), 0u);
  event->Drain();
  client.Write(0, 12, 0, 4);
  EXPECT_TRUE(Comes(*event));
  ASSERT_NO_FATAL_FAILURE(server.Start());
  EXPECT_TRUE(Writes(*process, "joined again"));
  RunCommand(server, {"ring", "--peer", "0", "--vector", "0"});
  EXPECT_TRUE(Comes(*event));
  // Its memory can be made shorter: it is read and written as a file.
  client.Write(2, 16, 0x1234, 4);
  EXPECT_EQ(client.Read(2, 16, 4), 0x1234u);
}

// A server that has other memory is one that the guest cannot follow: the
// device keeps what it has.
TEST_F(DeviceCommand, KeepsItsMemory) {
  const auto process = Join({"--vfio-user", File("a")});
  Client client(File("a"));
  client.Greet();
  client.Write(2, 16, 0x1234, 4);
  server_.Stop();
  ASSERT_NO_FATAL_FAILURE(server_.Start());
  EXPECT_TRUE(Writes(*process, "has other memory"));
  EXPECT_EQ(client.Read(2, 16, 4), 0x1234u);
  Stop(*process);
}

// Without a server: memory alone, and nobody to ring.
TEST_F(DeviceCommand, SharesMemoryAlone) {
  const auto process =
      Serve({"--vfio-user", File("a"), "--vfio-user", File("b"), "--memory",
             File("memory"), "--size", "64K"});
  Client a(File("a"));
  Client b(File("b"));
  a.Greet();
  b.Greet();
  EXPECT_EQ(a.GetIrqInfo(kMsix).count, 0u);
  EXPECT_EQ(a.GetRegionInfo(2).size, 65536u);
  a.Write(2, 0, 0x41, 1);
  EXPECT_EQ(b.Read(2, 0, 1), 0x41u);
  EXPECT_EQ(Content(File("memory")).substr(0, 1), "A");
  Stop(*process);
}

// A memfd, where no file is named.
TEST_F(DeviceCommand, SharesMemoryWithoutAName) {
  const auto process =
      Serve({"--vfio-user", File("a"), "--size", "64K", "--mode", "0660"});
  Client a(File("a"));
  a.Greet();
  UniqueFd fd;
  a.GetRegionInfo(2, &fd);
  EXPECT_NE(ftruncate(fd.get(), 0), 0);
  EXPECT_EQ(std::filesystem::status(File("a")).permissions(),
            static_cast<std::filesystem::perms>(0660));
}

// ACRN's device has its own ids and vectors.
TEST_F(DeviceCommand, SpeaksAcrnsDialect) {
  const auto process = Serve({"--vfio-user", File("a"), "--server",
                              server_.socket_path(), "--dialect", "acrn"});
  Client client(File("a"));
  client.Greet();
  EXPECT_EQ(client.Read(kConfig, 0x2c, 2), 0x8086u);
  EXPECT_EQ(client.GetIrqInfo(kMsix).count, 8u);
}

// The device's state outlives its process.
TEST_F(DeviceCommand, KeepsItsState) {
  const std::vector<std::string> arguments = {"--vfio-user", File("a"),
                                              "--state", File("state")};
  auto process = Join(arguments);
  {
    Client client(File("a"));
    client.Greet();
    client.Write(0, 0, 0x1234, 4);
    client.Write(kConfig, 4, 0x6, 2);
    client.Write(kConfig, 0x42, 0x8000, 2);
    client.Write(kConfig, 0x10, 0xfe000000, 4);
    // Nobody hears this yet.
    while (client.Read(1, 0x800, 8) != 2) client.Write(0, 12, 1, 4);
  }
  Stop(*process);
  process = Join(arguments);
  Client client(File("a"));
  client.Greet();
  EXPECT_EQ(client.Read(0, 0, 4), 0x1234u);
  EXPECT_EQ(client.Read(kConfig, 0x10, 4), 0xfe000000u);
  EXPECT_EQ(client.Read(1, 0x800, 8), 2u);
  const auto event = *EventFd::Create();
  ASSERT_EQ(client.SetIrqs(kSetEvents, kMsix, 1, 1, {event->fd()}), 0u);
  EXPECT_TRUE(event->Drain());
}

// What happened is a Script, which plays.
TEST_F(DeviceCommand, Records) {
  const auto process =
      Join({"--vfio-user", File("a"), "--record", File("script")});
  {
    Client client(File("a"));
    client.Greet();
    client.Write(0, 0, 0x1234, 4);
    EXPECT_EQ(client.Read(0, 0, 4), 0x1234u);
    client.Write(kConfig, 4, 0x6, 2);
    client.Write(kConfig, 0x42, 0x8000, 2);
    client.Reset();
    EXPECT_EQ(client.Read(0, 0, 4), 0u);
    EXPECT_EQ(client.Read(kConfig, 0, 4), 0x11101af4u);
  }
  Stop(*process);
  const auto script = script::ParseScript(Content(File("script")));
  ASSERT_TRUE(script.ok()) << script.status();
  EXPECT_GE(script->steps_size(), 7);
  auto subject = script::MakeLibrarySubject(script->world());
  ASSERT_TRUE(subject.ok()) << subject.status();
  const absl::Status played = script::Play(*script, **subject);
  EXPECT_TRUE(played.ok()) << played;
}

// What makes no sense is said in one line that names the option.
TEST_F(DeviceCommand, RefusesWhatMakesNoSense) {
  const std::string a = File("a");
  EXPECT_THAT(Fails({"--size", "1M"}), HasSubstr("--vfio-user"));
  EXPECT_THAT(Fails({"--vfio-user", a}), HasSubstr("--size"));
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "3K"}), HasSubstr("size"));
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "2K"}), HasSubstr("2048"));
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "1M", "--vectors", "2"}),
              HasSubstr("--vectors"));
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "1M", "--server", "x"}),
              HasSubstr("--server"));
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "1M", "--dialect", "x"}),
              HasSubstr("--dialect"));
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "1M", "--mode", "9"}),
              HasSubstr("--mode"));
  EXPECT_THAT(Fails({"--vfio-user", a, "--vfio-user", File("b"), "--size", "1M",
                     "--state", File("state")}),
              HasSubstr("--state"));
  EXPECT_THAT(Fails({"--vfio-user", File("no/where"), "--size", "1M"}),
              AllOf(HasSubstr("--vfio-user"), HasSubstr("no/where")));
  std::ofstream(File("bad")) << "\xff";
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "1M", "--state", File("bad")}),
              HasSubstr("--state"));
  // One that is served is not taken over.
  const auto process = Serve({"--vfio-user", a, "--size", "1M"});
  EXPECT_THAT(Fails({"--vfio-user", a, "--size", "1M"}),
              HasSubstr("--vfio-user"));
  Client client(a);
  client.Greet();
}

}  // namespace
}  // namespace ivshmem
