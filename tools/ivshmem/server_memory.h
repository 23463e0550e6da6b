// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_SERVER_MEMORY_H_
#define IVSHMEM_TOOLS_IVSHMEM_SERVER_MEMORY_H_

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "server/server.h"
#include "server/state.h"
#include "tools/ivshmem/server_options.h"

namespace ivshmem::tool {

// The memory of a server, and, with --state, what it knows from before. A
// shared memory object that this made and no state tells of goes with it.
class ServerMemory {
 public:
  // Opens what the options ask for: with a state file of this run of the kernel
  // the same object as before, which `stored` may be, else the one that is
  // there or a new one. Errors: FailedPrecondition when it cannot be the same,
  // InvalidArgument for a state file that makes no sense or for --state with
  // memory that does not outlive the process.
  static absl::StatusOr<ServerMemory> Open(const ServerOptions& options,
                                           UniqueFd stored);

  ServerMemory(ServerMemory&&) noexcept = default;
  ServerMemory& operator=(ServerMemory&&) = delete;
  ~ServerMemory();

  const MemoryObject& object() const { return *object_; }
  // As "shared memory 'x'".
  std::string description() const;
  // Something to say that is no error; may be empty.
  const std::string& notice() const { return notice_; }

  // What clients had before.
  server::Server::Holdings TakeHoldings();
  // Writes the state file, if there is to be one.
  absl::Status Save(const server::Server::Holdings& holdings);

 private:
  explicit ServerMemory(const ServerOptions& options);

  absl::Status ReadState();
  absl::Status OpenObject(UniqueFd stored);

  server::MemorySpec spec_;
  std::string state_path_;
  int vectors_;
  std::optional<server::State> before_;
  std::optional<MemoryObject> object_;
  server::State state_;
  bool saved_ = false;
  std::string notice_;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_SERVER_MEMORY_H_
