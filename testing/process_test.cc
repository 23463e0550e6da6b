// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ivshmem {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(30);

std::unique_ptr<Process> Start(const Process::Options& options) {
  absl::StatusOr<std::unique_ptr<Process>> process = Process::Start(options);
  EXPECT_TRUE(process.ok()) << process.status();
  return process.ok() ? *std::move(process) : nullptr;
}

std::unique_ptr<Process> Shell(const std::string& script) {
  return Start({.program = "sh", .arguments = {"-c", script}});
}

std::string End(Process& process) {
  const absl::StatusOr<std::string> end = process.Wait(kPatience);
  return end.ok() ? *end : end.status().ToString();
}

// Its arguments and environment are those given, its input is empty, and what
// it says on either output is kept.
TEST(Process, RunsAProgram) {
  const auto process = Start(
      {.program = "sh",
       .arguments = {"-c", "cat; echo $1 $WORD; echo err >&2", "sh", "a b"},
       .environment = {"WORD=word"}});
  EXPECT_EQ(End(*process), "exit status 0");
  EXPECT_EQ(process->Output(), "a b word\nerr\n");
}

TEST(Process, SaysHowItEnded) {
  const auto failed = Shell("exit 3");
  EXPECT_EQ(End(*failed), "exit status 3");
  EXPECT_EQ(End(*failed), "exit status 3") << "a second time";
  const auto killed = Shell("exec sleep 1000");
  killed->Signal(SIGTERM);
  EXPECT_THAT(End(*killed), HasSubstr("signal 15"));
}

TEST(Process, NoSuchProgram) {
  const absl::Status status =
      Process::Start({.program = "ivshmem-no-such-program"}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("ivshmem-no-such-program"));
  EXPECT_EQ(waitpid(-1, nullptr, WNOHANG), -1) << "a child is left";
}

TEST(Process, WaitingHasAnEnd) {
  const auto process = Shell("exec sleep 1000");
  EXPECT_EQ(process->Wait(absl::Milliseconds(1)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

// What was inherited comes under the same number; nothing else comes at all.
TEST(Process, GetsTheNamedDescriptorsOnly) {
  const int named = memfd_create("named", MFD_CLOEXEC);
  const int other = memfd_create("other", 0);
  const auto process = Start({.program = "ls",
                              .arguments = {"-l", "/proc/self/fd"},
                              .inherit = {named}});
  EXPECT_EQ(End(*process), "exit status 0");
  EXPECT_THAT(process->Output(),
              HasSubstr(std::to_string(named) + " -> /memfd:named"));
  EXPECT_THAT(process->Output(), ::testing::Not(HasSubstr("other")));
  close(named);
  close(other);
}

// The destructor leaves neither a process nor a zombie.
TEST(Process, EndsWithTheObject) {
  auto process = Shell("trap '' TERM; while :; do sleep 1000; done");
  const pid_t pid = process->pid();
  process.reset();
  EXPECT_EQ(kill(pid, 0), -1);
  EXPECT_EQ(errno, ESRCH);
}

TEST(Process, KillIsOver) {
  const auto process = Shell("exec sleep 1000");
  process->Kill();
  EXPECT_THAT(End(*process), HasSubstr("signal 9"));
  process->Signal(SIGTERM);  // Nobody else gets it.
}

}  // namespace
}  // namespace ivshmem
