// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/client_options.h"

#include <utility>

#include "absl/time/time.h"

namespace ivshmem::tool {

void AddClientOptions(CLI::App& subcommand, ClientOptions& options) {
  subcommand
      .add_option("-S,--socket", options.socket_path,
                  "The server's socket, ours or QEMU's")
      ->required()
      ->type_name("PATH");
  subcommand
      .add_option("--timeout", options.timeout_seconds,
                  "How long to wait for the server's greeting")
      ->check(CLI::Range(0.001, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
}

absl::StatusOr<std::unique_ptr<JoinedClient>> Join(const ClientOptions& options,
                                                   JoinedClient::Told told) {
  return JoinedClient::Join(options.socket_path,
                            absl::Seconds(options.timeout_seconds),
                            std::move(told));
}

}  // namespace ivshmem::tool
