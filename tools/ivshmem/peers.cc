// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_format.h"
#include "tools/ivshmem/client_options.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/joined_client.h"

namespace ivshmem::tool {
namespace {

absl::Status Peers(const ClientOptions& options, bool json) {
  const absl::StatusOr<std::unique_ptr<JoinedClient>> client =
      Join(options, {});
  if (!client.ok()) return client.status();
  nlohmann::json list = nlohmann::json::array();
  if (!json) std::cout << absl::StreamFormat("%5s  %7s\n", "peer", "vectors");
  for (const auto& [peer, vectors] : (*client)->Peers()) {
    const bool self = peer == (*client)->id();
    if (json) {
      list.push_back({{"peer", peer}, {"vectors", vectors}, {"self", self}});
    } else {
      std::cout << absl::StreamFormat("%5d  %7d%s\n", peer, vectors,
                                      self ? "  (this command)" : "");
    }
  }
  if (json) std::cout << list.dump() << '\n';
  return absl::OkStatus();
}

}  // namespace

void AddPeers(CLI::App& app, Work& work) {
  auto options = std::make_shared<ClientOptions>();
  auto json = std::make_shared<bool>(false);
  CLI::App* peers =
      app.add_subcommand("peers", "Joins a server and lists who is there.");
  AddClientOptions(*peers, *options);
  peers->add_flag("--json", *json, "One line of JSON");
  peers->footer(
      "Examples:\n  ivshmem peers --socket /run/ivshmem.sock\n"
      "  ivshmem peers --socket /run/ivshmem.sock --json | jq '.[].peer'");
  peers->callback([options, json, &work] {
    work = [options, json] { return Peers(*options, *json); };
  });
}

}  // namespace ivshmem::tool
