// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_INTEROP_SERVER_PROCESS_H_
#define IVSHMEM_TESTING_INTEROP_SERVER_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "testing/process.h"

namespace ivshmem {

// How long something may take that must happen.
inline constexpr absl::Duration kPatience = absl::Seconds(60);

// `ivshmem server`, the program, with a folder of its own. Failures are
// GoogleTest's.
//
// Threading: one thread at a time.
class ServerProcess {
 public:
  // Makes the folder. `arguments` are further ones of the command; "%d" in them
  // stands for the folder.
  explicit ServerProcess(std::vector<std::string> arguments);
  ~ServerProcess();

  // Returns when clients can join.
  void Start();

  // SIGKILL; or SIGTERM, after which it must end by itself with status 0.
  void Kill();
  void Stop();

  const std::string& socket_path() const { return socket_path_; }
  Process& process() { return *process_; }

 private:
  const std::string folder_;
  const std::string socket_path_;
  const std::vector<std::string> arguments_;
  std::unique_ptr<Process> process_;
};

// Starts a subcommand of `ivshmem` that joins `server`, as {"ring", "--all"}.
std::unique_ptr<Process> StartCommand(const ServerProcess& server,
                                      const std::vector<std::string>& command);

// Runs one to its end, which must be a success, and returns what it wrote.
std::string RunCommand(const ServerProcess& server,
                       const std::vector<std::string>& command);

// Whether `process` has written `text`, or does within kPatience.
bool Writes(const Process& process, const std::string& text, int times = 1);

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_INTEROP_SERVER_PROCESS_H_
