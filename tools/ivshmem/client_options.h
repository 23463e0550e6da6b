// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_CLIENT_OPTIONS_H_
#define IVSHMEM_TOOLS_IVSHMEM_CLIENT_OPTIONS_H_

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "tools/ivshmem/joined_client.h"

namespace ivshmem::tool {

// What every subcommand takes that joins a server.
struct ClientOptions {
  std::string socket_path;
  double timeout_seconds = 5;
};

void AddClientOptions(CLI::App& subcommand, ClientOptions& options);

absl::StatusOr<std::unique_ptr<JoinedClient>> Join(const ClientOptions& options,
                                                   JoinedClient::Told told);

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_CLIENT_OPTIONS_H_
