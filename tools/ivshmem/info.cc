// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_format.h"
#include "core/protocol/message.h"
#include "tools/ivshmem/client_options.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/joined_client.h"
#include "tools/ivshmem/size.h"

namespace ivshmem::tool {
namespace {

absl::Status Info(const ClientOptions& options, bool json) {
  const absl::StatusOr<std::unique_ptr<JoinedClient>> joined =
      Join(options, {});
  if (!joined.ok()) return joined.status();
  const JoinedClient& client = **joined;
  std::map<PeerId, int> peers = client.Peers();
  const auto own = peers.find(client.id());
  const int vectors = own == peers.end() ? 0 : own->second;
  peers.erase(client.id());
  const uint64_t size = client.memory().size;
  if (json) {
    const nlohmann::json info = {{"protocol", protocol::kVersion},
                                 {"id", client.id()},
                                 {"vectors", vectors},
                                 {"memory_bytes", size},
                                 {"memory_sealed", client.memory_sealed()},
                                 {"other_peers", peers.size()}};
    std::cout << info.dump() << '\n';
    return absl::OkStatus();
  }
  std::cout << absl::StreamFormat(
      "protocol     %d\n"
      "id           %d\n"
      "vectors      %d\n"
      "memory       %s (%d bytes), %s\n"
      "other peers  %d\n",
      protocol::kVersion, client.id(), vectors, FormatSize(size), size,
      client.memory_sealed() ? "sealed: nobody can shrink it"
                             : "not sealed: its owner can shrink it",
      peers.size());
  return absl::OkStatus();
}

}  // namespace

void AddInfo(CLI::App& app, Work& work) {
  auto options = std::make_shared<ClientOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* info = app.add_subcommand(
      "info", "Joins a server and says what it gives: id, vectors, memory.");
  AddClientOptions(*info, *options);
  info->add_flag("--json", *json, "One line of JSON");
  info->footer("Example:\n  ivshmem info --socket /run/ivshmem.sock");
  info->callback([options, json, &work] {
    work = [options, json] { return Info(*options, *json); };
  });
}

}  // namespace ivshmem::tool
