// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include <sys/epoll.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "tools/ivshmem/client_options.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/joined_client.h"
#include "tools/ivshmem/stop.h"

namespace ivshmem::tool {
namespace {

struct WatchOptions {
  ClientOptions client;
  bool json = false;
  bool ignore_input = false;
  uint64_t count = 0;
};

// A line for each thing that happens, written at once.
void Print(bool json, absl::string_view what, absl::string_view of,
           int number) {
  const absl::Time now = absl::Now();
  if (json) {
    nlohmann::ordered_json line;
    line["time"] =
        absl::FormatTime(absl::RFC3339_full, now, absl::UTCTimeZone());
    line["event"] = std::string(what);
    line[std::string(of)] = number;
    std::cout << line.dump() << std::endl;
  } else {
    std::cout << absl::StreamFormat(
                     "%s  %s %s %d",
                     absl::FormatTime("%H:%M:%E6S", now, absl::LocalTimeZone()),
                     what, of, number)
              << std::endl;
  }
}

absl::Status Watch(const WatchOptions& options) {
  const bool json = options.json;
  uint64_t interrupts = 0;
  absl::StatusOr<Stop> stop = Stop::OnSignals();
  if (!stop.ok()) return stop.status();
  absl::StatusOr<std::unique_ptr<JoinedClient>> client = Join(
      options.client,
      {.joined = [json](PeerId peer) { Print(json, "joined", "peer", peer); },
       .left = [json](PeerId peer) { Print(json, "left", "peer", peer); },
       .interrupted =
           [json, &interrupts](Vector vector) {
             ++interrupts;
             Print(json, "interrupt", "vector", vector);
           }});
  if (!client.ok()) return client.status();
  // Its watches go before the client's loop.
  Stop ending = *std::move(stop);
  absl::Status status = ending.Watch((*client)->loop());
  if (status.ok() && !options.ignore_input) {
    status = ending.WatchInput((*client)->loop());
  }
  if (!status.ok()) return status;
  Print(json, "watching", "as", (*client)->id());
  return (*client)->RunUntil([&] {
    return ending.requested() || !std::cout ||
           (options.count != 0 && interrupts >= options.count);
  });
}

}  // namespace

void AddWatch(CLI::App& app, Work& work) {
  auto options = std::make_shared<WatchOptions>();
  CLI::App* watch = app.add_subcommand(
      "watch",
      "Joins a server and prints a line for each interrupt, and for each peer "
      "that comes or goes, until its input ends or it is interrupted.");
  AddClientOptions(*watch, options->client);
  watch->add_flag("--json", options->json, "A line of JSON for each");
  watch->add_option("--count", options->count, "Stop after so many interrupts")
      ->type_name("N");
  watch->add_flag("--ignore-input", options->ignore_input,
                  "Do not stop when the input ends (for services)");
  watch->footer(
      "Examples:\n"
      "  ivshmem watch --socket /run/ivshmem.sock\n"
      "  ivshmem watch --socket /run/ivshmem.sock --json --count 10");
  watch->callback(
      [options, &work] { work = [options] { return Watch(*options); }; });
}

}  // namespace ivshmem::tool
