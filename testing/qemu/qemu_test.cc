// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/qemu/qemu.h"

#include <dirent.h>
#include <signal.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdint>
#include <memory>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/unique_fd.h"
#include "gmock/gmock.h"
#include "gtest/gtest-spi.h"
#include "gtest/gtest.h"
#include "testing/qemu/qtest_command.h"

namespace ivshmem::qemu {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;

std::unique_ptr<Qemu> Start(const Qemu::Options& options = {}) {
  absl::StatusOr<std::unique_ptr<Qemu>> qemu = Qemu::Start(options);
  EXPECT_TRUE(qemu.ok()) << qemu.status();
  return qemu.ok() ? *std::move(qemu) : nullptr;
}

int OpenDescriptors() {
  DIR* const directory = opendir("/proc/self/fd");
  int count = 0;
  while (readdir(directory) != nullptr) ++count;
  closedir(directory);
  return count;
}

TEST(Qemu, HasMemory) {
  const auto qemu = Start();
  ASSERT_NE(qemu, nullptr);
  qemu->qtest().Write(8, 0x1000, 0x1122334455667788);
  EXPECT_EQ(qemu->qtest().Read(8, 0x1000), 0x1122334455667788);
  EXPECT_EQ(qemu->qtest().Read(4, 0x1000), 0x55667788);
  EXPECT_EQ(qemu->qtest().Read(2, 0x1006), 0x1122);
  EXPECT_EQ(qemu->qtest().Read(1, 0x1001), 0x77);
  qemu->qtest().Run(command::Fill(0x2000, 16, 0xab));
  EXPECT_THAT(qemu->qtest().ReadBlock(0x2000, 16), Each(0xab));
  std::vector<uint8_t> bytes(100'000);
  std::iota(bytes.begin(), bytes.end(), 0);
  qemu->qtest().WriteBlock(Qemu::kRamSize - bytes.size(), bytes);
  EXPECT_EQ(qemu->qtest().ReadBlock(Qemu::kRamSize - bytes.size(), 100'000),
            bytes);
}

// Far more is under way than both sockets hold.
TEST(Qemu, AnswersManyCommandsAtOnce) {
  const auto qemu = Start();
  ASSERT_NE(qemu, nullptr);
  std::vector<std::string> commands;
  for (int i = 0; i < 20'000; ++i) {
    commands.push_back(command::Write(4, 0x1000 + 4 * i, i));
    commands.push_back(command::Read(4, 0x1000 + 4 * i));
  }
  const std::vector<uint64_t> answers = qemu->qtest().Run(commands);
  for (int i = 0; i < 20'000; ++i) ASSERT_EQ(answers[2 * i + 1], i);
}

TEST(Qemu, AnswersItsMonitor) {
  const auto qemu = Start();
  ASSERT_NE(qemu, nullptr);
  const absl::StatusOr<nlohmann::json> status =
      qemu->qmp().Execute("query-status");
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ((*status)["running"], false);
  EXPECT_TRUE(qemu->qmp().Execute("query-pci").ok());
  const absl::Status error =
      qemu->qmp().Execute("device_add", {{"driver", "no-such"}}).status();
  EXPECT_EQ(error.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(error.message()), HasSubstr("no-such"));
  // An event that comes before the answer is kept.
  ASSERT_TRUE(qemu->qmp().Execute("system_reset").ok());
  EXPECT_TRUE(qemu->qmp().Execute("query-status").ok());
  const auto event = qemu->qmp().WaitFor("RESET");
  ASSERT_TRUE(event.ok()) << event.status();
  EXPECT_EQ((*event)["event"], "RESET");
}

TEST(Qemu, Quits) {
  const auto qemu = Start();
  ASSERT_NE(qemu, nullptr);
  EXPECT_TRUE(qemu->Quit().ok());
}

TEST(Qemu, LeavesNothingBehind) {
  const int before = OpenDescriptors();
  auto qemu = Start();
  ASSERT_NE(qemu, nullptr);
  const pid_t pid = qemu->process().pid();
  qemu.reset();
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
  EXPECT_EQ(OpenDescriptors(), before);
}

TEST(Qemu, NotInstalled) {
  const absl::Status status = Qemu::Start({.program = "no-such-qemu"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tools/setup"));
}

// Its own message says why it did not start.
TEST(Qemu, RefusesItsArguments) {
  const absl::Status status =
      Qemu::Start({.arguments = {"-device", "ivshmem-plain"}}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("memdev"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("exit status 1"));
}

// A silent server holds QEMU up for ever (measured); not the test.
TEST(Qemu, IsNotReadyInTime) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const UniqueFd server(ends[0]);
  const UniqueFd client(ends[1]);
  const absl::Status status =
      Qemu::Start(
          {.arguments = {"-chardev",
                         "socket,id=c,fd=" + std::to_string(client.get()),
                         "-device", "ivshmem-doorbell,chardev=c"},
           .inherit = {client.get()},
           .deadline = absl::Seconds(2)})
          .status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

TEST(Qemu, KilledInTheMiddle) {
  const auto qemu = Start();
  ASSERT_NE(qemu, nullptr);
  qemu->Kill();
  EXPECT_NONFATAL_FAILURE(qemu->qtest().Read(4, 0), "signal 9");
  EXPECT_EQ(qemu->qmp().Execute("query-status").status().code(),
            absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace ivshmem::qemu
