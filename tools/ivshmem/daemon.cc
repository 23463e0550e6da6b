// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/daemon.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <optional>

#include "absl/strings/str_cat.h"
#include "server/whole_file.h"

namespace ivshmem::tool {
namespace {

constexpr int kFailed = 2;

[[noreturn]] void WaitFor(pid_t child, const UniqueFd& ready) {
  char byte;
  ssize_t bytes;
  do {
    bytes = read(ready.get(), &byte, 1);
  } while (bytes < 0 && errno == EINTR);
  if (bytes == 1) _exit(EXIT_SUCCESS);
  int status = 0;
  while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  _exit(WIFEXITED(status) && WEXITSTATUS(status) != 0 ? WEXITSTATUS(status)
                                                      : kFailed);
}

std::string OwnLine() { return absl::StrCat(getpid(), "\n"); }

}  // namespace

absl::StatusOr<Daemon> Daemon::Start() {
  std::array<int, 2> ends;
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return absl::ErrnoToStatus(errno, "new pipe");
  }
  UniqueFd ready(ends[0]);
  UniqueFd starter(ends[1]);
  const pid_t child = fork();
  if (child < 0) return absl::ErrnoToStatus(errno, "new process");
  if (child > 0) {
    starter.Reset();
    WaitFor(child, ready);
  }
  setsid();
  return Daemon(std::move(starter));
}

absl::Status Daemon::Ready() {
  const UniqueFd nothing(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing.valid()) return absl::ErrnoToStatus(errno, "/dev/null");
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (dup2(nothing.get(), fd) < 0) return absl::ErrnoToStatus(errno, "dup2");
  }
  const ssize_t told = write(starter_.get(), "", 1);
  starter_.Reset();
  // A starter that has been killed meanwhile wants nothing more.
  if (told < 0 && errno != EPIPE) return absl::ErrnoToStatus(errno, "pipe");
  return absl::OkStatus();
}

absl::StatusOr<PidFile> PidFile::Write(const std::string& path) {
  const absl::Status written = server::ReplaceFile(path, OwnLine(), 0644);
  if (!written.ok()) return written;
  return PidFile(path);
}

PidFile::~PidFile() {
  if (path_.empty()) return;
  constexpr size_t kMost = 32;
  const auto content = server::ReadFile(path_, kMost);
  if (content.ok() && *content == OwnLine()) unlink(path_.c_str());
}

}  // namespace ivshmem::tool
