// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace ivshmem {
namespace {

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

struct Child {
  pid_t parent;
  int input;
  int output;
  int failure;  // Where to write errno when there is no such program.
  const std::vector<int>& inherit;
  const char* program;
  char* const* arguments;
  char* const* environment;
};

// Between fork and exec, where other threads may have held any lock: system
// calls only.
[[noreturn]] void Exec(const Child& child) {
  // The test may be killed at any time.
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != child.parent) _exit(1);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  dup2(child.input, STDIN_FILENO);
  dup2(child.output, STDOUT_FILENO);
  dup2(child.output, STDERR_FILENO);
  close_range(3, ~0u, CLOSE_RANGE_CLOEXEC);
  for (const int fd : child.inherit) fcntl(fd, F_SETFD, 0);
  execvpe(child.program, child.arguments, child.environment);
  const int error = errno;
  if (write(child.failure, &error, sizeof(error)) < 0) _exit(126);
  _exit(127);
}

absl::Status Failed(const char* what) {
  return absl::ErrnoToStatus(errno, what);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Process>> Process::Start(
    const Options& options) {
  const UniqueFd input(open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!input.valid()) return Failed("/dev/null");
  UniqueFd output(memfd_create("output", MFD_CLOEXEC));
  if (!output.valid()) return Failed("memfd_create");
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) return Failed("pipe2");
  const UniqueFd failure(pipe_ends[0]);
  UniqueFd child_failure(pipe_ends[1]);

  std::vector<std::string> arguments = {options.program};
  arguments.insert(arguments.end(), options.arguments.begin(),
                   options.arguments.end());
  std::vector<std::string> environment = options.environment;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    environment.emplace_back(*variable);
  }
  const std::vector<char*> argument_pointers = Pointers(arguments);
  const std::vector<char*> environment_pointers = Pointers(environment);
  const Child child = {.parent = getpid(),
                       .input = input.get(),
                       .output = output.get(),
                       .failure = child_failure.get(),
                       .inherit = options.inherit,
                       .program = options.program.c_str(),
                       .arguments = argument_pointers.data(),
                       .environment = environment_pointers.data()};
  const pid_t pid = fork();
  if (pid < 0) return Failed("fork");
  if (pid == 0) Exec(child);

  // glibc 2.36 declares its own for C only.
  UniqueFd pidfd(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  const int pidfd_error = errno;
  // From here on its destructor ends it.
  std::unique_ptr<Process> process =
      absl::WrapUnique(new Process(pid, std::move(pidfd), std::move(output)));
  if (!process->pidfd_.valid()) {
    return absl::ErrnoToStatus(pidfd_error, "pidfd_open");
  }
  child_failure.Reset();
  int error = 0;
  if (read(failure.get(), &error, sizeof(error)) == sizeof(error)) {
    return absl::ErrnoToStatus(
        error, absl::StrCat("cannot run '", options.program, "'"));
  }
  return process;
}

Process::~Process() { Kill(); }

void Process::Signal(int signal) {
  if (end_.empty()) kill(pid_, signal);
}

void Process::Kill() {
  Signal(SIGKILL);
  Wait(absl::InfiniteDuration()).IgnoreError();
}

absl::StatusOr<std::string> Process::Wait(absl::Duration timeout) {
  if (!end_.empty()) return end_;
  const absl::Time deadline = absl::Now() + timeout;
  pollfd ended = {.fd = pidfd_.get(), .events = POLLIN, .revents = 0};
  // An interrupted poll is done again. (Without a pidfd, waitpid blocks.)
  while (pidfd_.valid() && ended.revents == 0) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError(absl::StrCat(
          "process ", pid_, " runs after ", absl::FormatDuration(timeout)));
    }
    const absl::Duration turn = std::min(left, absl::Seconds(60));
    poll(&ended, 1, static_cast<int>(absl::ToInt64Milliseconds(turn)) + 1);
  }
  int status = 0;
  while (waitpid(pid_, &status, 0) < 0 && errno == EINTR) {
  }
  end_ = WIFSIGNALED(status)
             ? absl::StrFormat("signal %d (%s)", WTERMSIG(status),
                               sigdescr_np(WTERMSIG(status)))
             : absl::StrFormat("exit status %d", WEXITSTATUS(status));
  return end_;
}

std::string Process::Output() const {
  std::string text;
  char piece[4096];
  ssize_t bytes;
  while ((bytes = pread(output_.get(), piece, sizeof(piece),
                        static_cast<off_t>(text.size()))) > 0) {
    text.append(piece, bytes);
  }
  return text;
}

}  // namespace ivshmem
