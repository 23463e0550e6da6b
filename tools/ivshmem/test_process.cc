// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/test_process.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace ivshmem::tool {
namespace {

constexpr char kCommand[] = "tools/ivshmem/ivshmem";
constexpr int kFirstHandedOver = 3;

std::string Content(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

Process::Process(std::vector<std::string> arguments, Options options) {
  std::vector<char*> argv = {options.name.data()};
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  pid_ = fork();
  if (pid_ != 0) {
    EXPECT_GT(pid_, 0);
    return;
  }
  constexpr int kFlags = O_WRONLY | O_CREAT | O_TRUNC;
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(open(directory_.File("out").c_str(), kFlags, 0600), STDOUT_FILENO);
  dup2(open(directory_.File("err").c_str(), kFlags, 0600), STDERR_FILENO);
  for (const auto& [name, value] : options.environment) {
    setenv(name.c_str(), value.c_str(), 1);
  }
  const int count = static_cast<int>(options.listen_fds.size());
  if (count > 0) {
    setenv("LISTEN_PID", std::to_string(getpid()).c_str(), 1);
    setenv("LISTEN_FDS", std::to_string(count).c_str(), 1);
    setenv("LISTEN_FDNAMES", options.listen_names.c_str(), 1);
  }
  // None of them may be in the place of another.
  constexpr int kAside = 500;
  for (int i = 0; i < count; ++i) dup2(options.listen_fds[i], kAside + i);
  for (int i = 0; i < count; ++i) dup2(kAside + i, kFirstHandedOver + i);
  closefrom(kFirstHandedOver + count);
  execv(kCommand, argv.data());
  _exit(127);
}

Process::~Process() {
  if (!running_) return;
  Signal(SIGKILL);
  Wait();
}

void Process::Signal(int signal) const { kill(pid_, signal); }

int Process::Wait() {
  running_ = false;
  int status = 0;
  const absl::Time deadline = absl::Now() + absl::Seconds(50);
  pid_t ended = 0;
  while (ended == 0) {
    ended = waitpid(pid_, &status, WNOHANG);
    if (absl::Now() > deadline) Signal(SIGKILL);
    if (ended == 0) absl::SleepFor(absl::Milliseconds(2));
  }
  EXPECT_EQ(ended, pid_);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

std::string Process::out() const { return Content(directory_.File("out")); }
std::string Process::err() const { return Content(directory_.File("err")); }

}  // namespace ivshmem::tool
