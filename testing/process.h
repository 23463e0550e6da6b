// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_PROCESS_H_
#define IVSHMEM_TESTING_PROCESS_H_

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem {

// A program that a test has started. Ends with the object, and with the test's
// own process: nothing is left behind.
//
// Threading: one thread at a time; the kernel also ends the program when the
// thread that started it ends.
class Process {
 public:
  struct Options {
    // A path, or a name to look for in PATH.
    std::string program;
    std::vector<std::string> arguments;  // Without the program's name.
    // Descriptors that the program gets, under the same numbers. It gets no
    // others than these; its input is empty.
    std::vector<int> inherit;
    // Added to the environment, as "NAME=value".
    std::vector<std::string> environment;
  };

  // Errors: NotFound when there is no such program, and what the kernel says.
  static absl::StatusOr<std::unique_ptr<Process>> Start(const Options& options);

  // Kills it if it runs.
  ~Process();

  pid_t pid() const { return pid_; }

  // Sends `signal`. Does nothing when the program has ended and Wait() said so.
  void Signal(int signal);

  // SIGKILL, and waits for the end of it.
  void Kill();

  // Waits for its end: "exit status 1" or "signal 9 (Killed)" (a second time
  // too). Errors: DeadlineExceeded when it runs after `timeout`.
  absl::StatusOr<std::string> Wait(absl::Duration timeout);

  // What it has written to its standard output and error so far.
  std::string Output() const;

 private:
  Process(pid_t pid, UniqueFd pidfd, UniqueFd output)
      : pid_(pid), pidfd_(std::move(pidfd)), output_(std::move(output)) {}

  const pid_t pid_;
  const UniqueFd pidfd_;
  const UniqueFd output_;  // A memfd.
  std::string end_;        // How it ended; empty while it is not reaped.
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_PROCESS_H_
