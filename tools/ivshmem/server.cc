// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/event_log.h"
#include "tools/ivshmem/serve.h"
#include "tools/ivshmem/server_options.h"

namespace ivshmem::tool {
namespace {

absl::Status Server(const ServerFlags& flags) {
  absl::StatusOr<ServerOptions> options = Understand(flags);
  if (!options.ok()) return options.status();
  if (!options->notice.empty()) Say(options->notice);
  if (options->check) return absl::OkStatus();
  return Serve(*options);
}

}  // namespace

void AddServer(CLI::App& app, Work& work) {
  auto flags = std::make_shared<ServerFlags>();
  CLI::App* server = app.add_subcommand(
      "server",
      "Hands out memory and doorbells to all who join, QEMU's "
      "ivshmem-doorbell among them. Ends at SIGINT and SIGTERM.");
  AddServerFlags(*server, *flags);
  server->footer(
      "Examples:\n"
      "  ivshmem server --socket /run/ivshmem.sock --vectors 2 --size 4M\n"
      "  ivshmem server --socket /run/ivshmem.sock --shm-name ivshmem \\\n"
      "      --state /run/ivshmem.state --mode 0660 --allow-gid kvm\n"
      "  qemu-system-x86_64 ... \\\n"
      "      -chardev socket,id=ivshmem,path=/run/ivshmem.sock \\\n"
      "      -device ivshmem-doorbell,chardev=ivshmem,vectors=2");
  server->callback(
      [flags, &work] { work = [flags] { return Server(*flags); }; });
}

}  // namespace ivshmem::tool
