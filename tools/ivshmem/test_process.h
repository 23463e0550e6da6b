// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_TEST_PROCESS_H_
#define IVSHMEM_TOOLS_IVSHMEM_TEST_PROCESS_H_

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/server_fixture.h"

namespace ivshmem::tool {

// A command for tests, killed at the end if it still runs.
class Process {
 public:
  struct Options {
    std::map<std::string, std::string> environment;
    // Handed over as systemd does, as descriptors from 3 on.
    std::vector<int> listen_fds;
    std::string listen_names;
    std::string name = "ivshmem";  // What it is called as.
  };

  // Starts `ivshmem ARGUMENTS...`.
  explicit Process(std::vector<std::string> arguments)
      : Process(std::move(arguments), Options()) {}
  Process(std::vector<std::string> arguments, Options options);
  ~Process();
  Process(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // Waits for the end: the exit status, or minus the signal that killed it. Who
  // does not end in time is killed.
  int Wait();
  // What it wrote so far.
  std::string out() const;
  std::string err() const;

 private:
  const server::ShortDirectory directory_;
  pid_t pid_ = -1;
  bool running_ = true;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_TEST_PROCESS_H_
