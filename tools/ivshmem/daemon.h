// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_DAEMON_H_
#define IVSHMEM_TOOLS_IVSHMEM_DAEMON_H_

#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::tool {

// A process in the background whose starter knows when it serves.
class Daemon {
 public:
  // Returns in a new process in a session of its own. The old one waits: it
  // exits with 0 when Ready() is called, and as the new one does if that ends
  // before, which has the same standard error until then.
  static absl::StatusOr<Daemon> Start();

  // Lets go of the starter, and of its terminal or files. The working directory
  // stays, as paths may be relative to it.
  absl::Status Ready();

 private:
  explicit Daemon(UniqueFd starter) : starter_(std::move(starter)) {}

  UniqueFd starter_;
};

// A file with the id of this process, which goes with the object.
class PidFile {
 public:
  // Errors: what the kernel says, with the path.
  static absl::StatusOr<PidFile> Write(const std::string& path);

  PidFile(PidFile&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  PidFile& operator=(PidFile&&) = delete;
  // Removes the file if it still has this process's id.
  ~PidFile();

 private:
  explicit PidFile(std::string path) : path_(std::move(path)) {}

  std::string path_;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_DAEMON_H_
