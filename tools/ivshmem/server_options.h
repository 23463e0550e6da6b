// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_SERVER_OPTIONS_H_
#define IVSHMEM_TOOLS_IVSHMEM_SERVER_OPTIONS_H_

#include <sys/types.h>

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/access.h"
#include "server/memory.h"
#include "server/server.h"

namespace ivshmem::tool {

// What `ivshmem server` was asked for, as it was typed.
struct ServerFlags {
  std::string socket;
  std::string mode = "0600";
  int vectors = 1;
  std::string size;
  std::string rounded_size;  // QEMU's -l.
  bool memfd = false;
  std::string shm_name;
  std::string file;
  std::string directory;
  std::string huge_page;
  std::optional<int> max_peers;
  std::vector<std::string> users;
  std::vector<std::string> groups;
  double stall_seconds = 30;
  double keep_seconds = 60;
  double absent_seconds = 0;
  std::string rest_ids = "auto";
  std::string state;
  std::string status_socket;
  bool foreground = false;
  bool daemon = false;
  std::string pid_file;
  bool verbose = false;
  bool check = false;
  bool like_qemu = false;
};

void AddServerFlags(CLI::App& server, ServerFlags& flags);

// The same, understood.
struct ServerOptions {
  std::string socket;  // Empty: systemd's.
  mode_t mode = 0;
  int vectors = 1;
  server::MemorySpec memory;
  std::optional<int> max_peers;
  server::AccessList access;
  absl::Duration stall_timeout;
  absl::Duration keep_ids;
  absl::Duration absent_peers;
  server::RestIds rest_ids = server::RestIds::kAuto;
  std::string state;
  std::string status_socket;
  bool daemon = false;
  std::string pid_file;
  bool verbose = false;
  bool check = false;
  std::string notice;  // Something to say that is no error.
};

// Errors: InvalidArgument, which names the flag, what was expected and what
// came.
absl::StatusOr<ServerOptions> Understand(const ServerFlags& flags);

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_SERVER_OPTIONS_H_
