// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_MOVING_MOVING_PROCESS_H_
#define IVSHMEM_TESTING_MOVING_MOVING_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "backends/linux/unique_fd.h"
#include "testing/interop/server_process.h"
#include "testing/process.h"

namespace ivshmem::moving {

// A device that moves from process to process (moving_device.cc), each a
// program of its own. Failures are GoogleTest's.
//
// Threading: one thread at a time.
class MovingProcess {
 public:
  // `arguments` are further ones of the program, for the first process.
  MovingProcess(const ServerProcess& server,
                std::vector<std::string> arguments = {});
  ~MovingProcess();

  // As a migration: into a file, and out of it again in a new process, which
  // gets `arguments` besides.
  void Migrate(std::vector<std::string> arguments = {});

  // As a live update: a new process, which gets `arguments` besides, waits and
  // takes it from the old one. The first process has {"--out", "OUT"}.
  void Update(std::vector<std::string> arguments = {});

  // An update that fails, as the new process has ended.
  void UpdateInVain();

  // What the process that has the device now has said.
  const Process& process() const { return *process_; }

 private:
  std::unique_ptr<Process> Start(const std::vector<std::string>& arguments);

  const std::string server_;
  const std::string folder_;
  UniqueFd next_;  // What the next process reads from.
  std::unique_ptr<Process> process_;
};

}  // namespace ivshmem::moving

#endif  // IVSHMEM_TESTING_MOVING_MOVING_PROCESS_H_
