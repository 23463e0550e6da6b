// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "absl/status/status.h"

#include <poll.h>

#include <array>
#include <cstdint>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "backends/linux/unix_socket.h"
#include "tools/ivshmem/command.h"
#include "tools/ivshmem/size.h"

namespace ivshmem::tool {
namespace {

using Json = nlohmann::json;

// More than 65,536 peers need.
constexpr size_t kMostBytes = size_t{64} << 20;

struct StatusFlags {
  std::string socket;
  double timeout_seconds = 5;
  bool json = false;
};

absl::Status WaitToRead(int socket, absl::Time deadline) {
  const absl::Duration left = deadline - absl::Now();
  pollfd waiting = {.fd = socket, .events = POLLIN, .revents = 0};
  if (left > absl::ZeroDuration()) {
    poll(&waiting, 1, static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
    return absl::OkStatus();
  }
  return absl::DeadlineExceededError(
      "the server did not send its status in time");
}

// All that the server sends.
absl::StatusOr<std::string> Ask(const StatusFlags& flags) {
  const absl::Time deadline =
      absl::Now() + absl::Seconds(flags.timeout_seconds);
  const auto socket = unix_socket::Connect(flags.socket, std::nullopt);
  if (!socket.ok()) return socket.status();
  std::string document;
  std::array<uint8_t, 65536> piece;
  while (document.size() < kMostBytes) {
    const auto received =
        unix_socket::Receive(socket->get(), absl::MakeSpan(piece));
    if (!received.ok()) return received.status();
    if (received->condition == unix_socket::Condition::kClosed) return document;
    if (received->condition == unix_socket::Condition::kWouldBlock) {
      const absl::Status ready = WaitToRead(socket->get(), deadline);
      if (!ready.ok()) return ready;
      continue;
    }
    document.append(reinterpret_cast<const char*>(piece.data()),
                    received->bytes);
  }
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected a status of at most %d bytes, got more",
                      flags.socket, kMostBytes));
}

// "hung up 3, stalled 1", without what did not happen.
std::string Reasons(const Json& counted) {
  std::string text;
  for (const auto& [reason, count] : counted.items()) {
    if (count == 0) continue;
    absl::StrAppend(&text, text.empty() ? "" : ", ", reason, " ",
                    count.get<uint64_t>());
  }
  return text.empty() ? "none" : text;
}

void PrintPeers(const Json& peers) {
  if (peers.empty()) return;
  std::cout << "\n peer      pid      uid  queued  unread  since\n";
  for (const Json& peer : peers) {
    const absl::Duration age =
        absl::Seconds(peer.at("age_seconds").get<double>());
    std::cout << absl::StreamFormat(
        "%5d %8d %8d %7d %7d  %s%s\n", peer.at("peer").get<int>(),
        peer.at("pid").get<int>(), peer.at("uid").get<uint32_t>(),
        peer.at("queued").get<uint64_t>(),
        peer.at("unread_bytes").get<uint64_t>(),
        absl::FormatDuration(absl::Trunc(age, absl::Seconds(1))),
        peer.at("waiting").get<bool>() ? "  (waits)" : "");
  }
}

void Print(const Json& status) {
  const Json& counters = status.at("counters");
  const absl::Duration uptime =
      absl::Trunc(absl::Seconds(status.at("uptime_seconds").get<double>()),
                  absl::Seconds(1));
  std::cout << absl::StreamFormat(
      "server    pid %d, up %s, at %s\n"
      "memory    %s, %s\n"
      "peers     %d of %d, with %d vectors each\n"
      "joined    %d\n"
      "left      %s\n"
      "refused   %s\n"
      "messages  %d (waited %d times for room, %d for the kernel)\n"
      "trouble   %d\n",
      status.at("pid").get<int>(), absl::FormatDuration(uptime),
      status.at("socket").get<std::string>(),
      status.at("memory").get<std::string>(),
      FormatSize(status.at("memory_size").get<uint64_t>()),
      status.at("peers").size(), status.at("max_peers").get<int>(),
      status.at("vectors").get<int>(), counters.at("joined").get<uint64_t>(),
      Reasons(counters.at("left")), Reasons(counters.at("refused")),
      counters.at("messages").get<uint64_t>(),
      counters.at("full_buffers").get<uint64_t>(),
      counters.at("too_many_in_flight").get<uint64_t>(),
      counters.at("trouble").get<uint64_t>());
  PrintPeers(status.at("peers"));
}

absl::Status Status(const StatusFlags& flags) {
  const absl::StatusOr<std::string> document = Ask(flags);
  if (!document.ok()) return document.status();
  try {
    const Json status = Json::parse(*document);
    if (flags.json) {
      std::cout << *document;
    } else {
      Print(status);
    }
  } catch (const Json::exception& error) {
    return absl::InvalidArgumentError(absl::StrFormat(
        "%s: expected the status of a server, got %s", flags.socket,
        document->empty() ? "nothing; it may have too many "
                            "readers"
                          : error.what()));
  }
  return absl::OkStatus();
}

}  // namespace

void AddStatus(CLI::App& app, Work& work) {
  auto flags = std::make_shared<StatusFlags>();
  CLI::App* status = app.add_subcommand(
      "status", "Shows how a server is and who is there, without joining it.");
  status
      ->add_option("--status-socket", flags->socket,
                   "What the server was given as --status-socket")
      ->required()
      ->type_name("PATH");
  status->add_flag("--json", flags->json, "The server's document as it is");
  status
      ->add_option("--timeout", flags->timeout_seconds,
                   "How long to wait for the server")
      ->check(CLI::Range(0.001, 86400.0))
      ->type_name("SECONDS")
      ->capture_default_str();
  status->footer(
      "Examples:\n"
      "  ivshmem status --status-socket /run/ivshmem.status\n"
      "  ivshmem status --status-socket /run/ivshmem.status --json |\n"
      "      jq '.peers[].pid'");
  status->callback(
      [flags, &work] { work = [flags] { return Status(*flags); }; });
}

}  // namespace ivshmem::tool
