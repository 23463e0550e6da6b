// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/status_document.h"

#include <unistd.h>

#include <nlohmann/json.hpp>

#include "server/events.h"

namespace ivshmem::server {
namespace {

using Json = nlohmann::ordered_json;

template <typename Reason, typename Counted>
Json ByReason(const Counted& counted) {
  Json json;
  for (size_t i = 0; i < counted.size(); ++i) {
    json[std::string(Name(static_cast<Reason>(i)))] = counted[i];
  }
  return json;
}

Json Peer(const PeerStatus& peer, int vectors) {
  return {{"peer", peer.peer},
          {"pid", peer.who.pid},
          {"uid", peer.who.uid},
          {"gid", peer.who.gid},
          {"vectors", vectors},
          {"queued", peer.queued},
          {"unread_bytes", peer.unread},
          {"waiting", peer.waiting},
          {"away", peer.away},
          {"age_seconds", absl::ToDoubleSeconds(peer.age)}};
}

}  // namespace

std::string StatusDocument(const Status& status, const ProcessStatus& process) {
  Json json = {{"pid", getpid()},
               {"uptime_seconds", absl::ToDoubleSeconds(status.uptime)},
               {"socket", process.socket},
               {"memory", process.memory},
               {"memory_size", process.memory_size},
               {"vectors", status.vectors},
               {"max_peers", status.max_peers}};
  json["counters"] = {
      {"joined", status.counts.joined},
      {"returned", status.counts.returned},
      {"left", ByReason<Departure>(status.counts.left)},
      {"refused", ByReason<Refusal>(status.counts.refused)},
      {"messages", status.delivery.messages},
      {"full_buffers", status.delivery.full_buffers},
      {"too_many_in_flight", status.delivery.too_many_in_flight},
      {"trouble", status.counts.trouble}};
  json["peers"] = Json::array();
  for (const PeerStatus& peer : status.peers) {
    json["peers"].push_back(Peer(peer, status.vectors));
  }
  constexpr int kIndent = 2;
  // Paths are bytes, and JSON is UTF-8.
  return json.dump(kIndent, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace ivshmem::server
