// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <map>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "core/doorbell.h"
#include "tools/ivshmem/client_options.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/joined_client.h"

namespace ivshmem::tool {
namespace {

struct RingOptions {
  ClientOptions client;
  std::optional<PeerId> peer;
  std::optional<Vector> vector;
  bool all = false;
};

absl::Status Ring(const RingOptions& options) {
  const absl::StatusOr<std::unique_ptr<JoinedClient>> client =
      Join(options.client, {});
  if (!client.ok()) return client.status();
  if (!options.all) {
    return (*client)->Ring({*options.peer, options.vector.value_or(0)});
  }
  for (const auto& [peer, vectors] : (*client)->Peers()) {
    if (peer == (*client)->id()) continue;
    for (int vector = 0; vector < vectors; ++vector) {
      if (options.vector.has_value() && vector != *options.vector) continue;
      absl::Status status =
          (*client)->Ring({peer, static_cast<Vector>(vector)});
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddRing(CLI::App& app, Work& work) {
  auto options = std::make_shared<RingOptions>();
  CLI::App* ring = app.add_subcommand(
      "ring", "Joins a server and rings a peer, or all of them, once.");
  AddClientOptions(*ring, options->client);
  CLI::Option* peer =
      ring->add_option("-p,--peer", options->peer, "Whom to ring")
          ->check(CLI::Range(0, kMaxPeers - 1))
          ->type_name("ID");
  ring->add_option("-n,--vector", options->vector,
                   "Which of its vectors (0; with --all: each)")
      ->check(CLI::Range(0, kMaxVectors - 1))
      ->type_name("VECTOR");
  CLI::Option* all =
      ring->add_flag("--all", options->all, "Ring everybody who is there");
  peer->excludes(all);
  ring->footer(
      "Examples:\n"
      "  ivshmem ring --socket /run/ivshmem.sock --peer 3 --vector 1\n"
      "  ivshmem ring --socket /run/ivshmem.sock --all");
  ring->callback([options, &work] {
    if (!options->all && !options->peer.has_value()) {
      throw CLI::RequiredError("--peer or --all");
    }
    work = [options] { return Ring(*options); };
  });
}

}  // namespace ivshmem::tool
