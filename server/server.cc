// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "server/server.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/identity.h"
#include "backends/linux/unix_socket.h"
#include "server/clock.h"
#include "server/qemu_client.h"

namespace ivshmem::server {
namespace {

absl::Status CheckRange(absl::string_view field, int value, int most) {
  if (value >= 1 && value <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrFormat("%s: expected 1 to %d, got %d", field, most, value));
}

absl::Status Check(const Server::Options& options) {
  absl::Status status = CheckRange("vectors", options.vectors, kMaxVectors);
  if (status.ok()) {
    status = CheckRange("max_peers", options.max_peers, kMaxPeers);
  }
  if (!status.ok()) return status;
  if (options.stall_timeout <= absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("stall_timeout: expected more than 0, got ",
                     absl::FormatDuration(options.stall_timeout)));
  }
  if (options.absent_peers < absl::ZeroDuration()) {
    return absl::InvalidArgumentError(
        absl::StrCat("absent_peers: expected 0 or more, got ",
                     absl::FormatDuration(options.absent_peers)));
  }
  return absl::OkStatus();
}

// By what the client is known again: its identity counts only together with
// its user. Empty if it has none.
std::string OwnerOf(int socket, const unix_socket::Credentials& who) {
  const std::optional<std::string> identity =
      IdentityOf(unix_socket::PeerName(socket));
  if (!identity.has_value()) return "";
  return absl::StrCat(who.uid, ":", who.gid, ":", *identity);
}

bool IsFragile(const std::string& owner, const unix_socket::Credentials& who,
               RestIds rest_ids) {
  if (rest_ids == RestIds::kNever || !owner.empty()) return false;
  return rest_ids == RestIds::kAlways || MayBeQemu(who.pid);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(EventLoop& loop,
                                                      int listener, int memory,
                                                      Options options,
                                                      ServerEvents* events) {
  const absl::Status checked = Check(options);
  if (!checked.ok()) return checked;
  auto server = absl::WrapUnique(new Server(loop, std::move(options), events));
  Server* const self = server.get();

  auto delivery = Delivery::Create(
      loop, server->clients_, server->roster_, memory,
      {.before_round = [self] { self->SaveIfChanged(); },
       .after_round = [self] { self->stall_watch_->Wake(); },
       .gone = [self](PeerId peer,
                      Departure why) { self->Remove(peer, why); }});
  if (!delivery.ok()) return delivery.status();
  server->delivery_ = *std::move(delivery);

  auto stall_watch = StallWatch::Create(
      loop, server->clients_, *server->delivery_,
      server->options_.stall_timeout,
      [self](PeerId peer, Departure why) { self->Remove(peer, why); });
  if (!stall_watch.ok()) return stall_watch.status();
  server->stall_watch_ = *std::move(stall_watch);

  auto absences = Absences::Create(
      loop, [self](PeerId peer) { self->Depart(peer, Departure::kHungUp); });
  if (!absences.ok()) return absences.status();
  server->absences_ = *std::move(absences);

  auto acceptor = Acceptor::Create(
      loop, listener,
      [self](UniqueFd connection) { self->Connected(std::move(connection)); },
      [self](const absl::Status& trouble) { self->OnTrouble(trouble); });
  if (!acceptor.ok()) return acceptor.status();
  server->acceptor_ = *std::move(acceptor);
  return server;
}

Server::Server(EventLoop& loop, Options options, ServerEvents* events)
    : loop_(loop),
      options_(std::move(options)),
      events_(events),
      started_(MonotonicNow()),
      roster_(options_.vectors) {
  for (const protocol::IdPool::Holding& holding : options_.holdings) {
    ids_.Keep(holding, started_ + options_.keep_ids);
  }
  options_.holdings.clear();
}

Server::~Server() = default;

void Server::Connected(UniqueFd connection) {
  const auto who = unix_socket::PeerCredentials(connection.get());
  if (!who.ok()) return Refuse({}, Refusal::kBroken);
  if (!options_.access.Allows(*who)) return Refuse(*who, Refusal::kNotAllowed);
  const std::string owner = OwnerOf(connection.get(), *who);
  if (std::optional<PeerId> known = Find(owner)) {
    // Its former connection may have ended a moment ago.
    Client& client = *clients_.at(*known);
    if (client.turn() != Client::Turn::kAway) {
      if (const auto why = client.Read()) Remove(*known, *why);
    }
    if (absences_->End(*known)) {
      return Return(*known, std::move(connection), *who);
    }
  }
  if (clients_.size() >= static_cast<size_t>(options_.max_peers)) {
    const std::optional<PeerId> away = absences_->First();
    if (!away.has_value()) return Refuse(*who, Refusal::kFull);
    absences_->End(*away);
    Depart(*away, Departure::kHungUp);
  }
  Admit(std::move(connection), *who, owner);
}

std::optional<PeerId> Server::Find(const std::string& owner) const {
  if (owner.empty()) return std::nullopt;
  std::optional<PeerId> peer = ids_.OwnedBy(owner);
  if (!peer.has_value()) return std::nullopt;
  const auto client = clients_.find(*peer);
  if (client == clients_.end() || client->second->owner() != owner) {
    return std::nullopt;
  }
  return peer;
}

void Server::Admit(UniqueFd connection, const unix_socket::Credentials& who,
                   const std::string& owner) {
  // Who comes by the name of one that is there is a stranger.
  auto client =
      Client::Create(std::move(connection), who,
                     Find(owner).has_value() ? "" : owner, options_.vectors);
  if (!client.ok()) return Refuse(who, Refusal::kNoDescriptors);
  const absl::Time now = MonotonicNow();
  const std::optional<PeerId> taken =
      ids_.Give(owner, IsFragile(owner, who, options_.rest_ids), now);
  if (!taken.has_value()) return Refuse(who, Refusal::kFull);
  const PeerId peer = *taken;
  if (!Watch(peer, **client).ok()) {
    ids_.TakeBack(peer, now, now);
    return Refuse(who, Refusal::kNoDescriptors);
  }
  clients_.emplace(peer, *std::move(client));
  roster_.Join(peer);
  ++counts_.joined;
  holdings_changed_ = true;
  if (events_ != nullptr) events_->OnJoined(peer, who);
  delivery_->Wake();
}

void Server::Return(PeerId peer, UniqueFd connection,
                    const unix_socket::Credentials& who) {
  std::unique_ptr<Client>& client = clients_.at(peer);
  client = client->Return(std::move(connection), who);
  if (!Watch(peer, *client).ok()) {
    Refuse(who, Refusal::kNoDescriptors);
    return Depart(peer, Departure::kHungUp);
  }
  roster_.Return(peer);
  ++counts_.returned;
  if (events_ != nullptr) events_->OnReturned(peer, who);
  delivery_->Wake();
}

absl::Status Server::Watch(PeerId peer, Client& client) {
  return client.Watch(loop_,
                      [this, peer](uint32_t ready) { OnReady(peer, ready); });
}

void Server::Refuse(const unix_socket::Credentials& who, Refusal why) {
  ++counts_.refused[static_cast<size_t>(why)];
  if (events_ != nullptr) events_->OnRefused(who, why);
}

void Server::OnReady(PeerId peer, uint32_t ready) {
  Client& client = *clients_.at(peer);
  if ((ready & ~EPOLLOUT) != 0) {
    if (const std::optional<Departure> why = client.Read()) {
      return Remove(peer, *why);
    }
  }
  if ((ready & EPOLLOUT) != 0) delivery_->OnRoom(peer, client);
}

void Server::Remove(PeerId peer, Departure why) {
  Client& client = *clients_.at(peer);
  if (why != Departure::kHungUp || client.owner().empty() ||
      options_.absent_peers == absl::ZeroDuration()) {
    return Depart(peer, why);
  }
  client.GoAway();
  absences_->Begin(peer, MonotonicNow() + options_.absent_peers);
  if (events_ != nullptr) events_->OnAway(peer, client.who());
  delivery_->OnLeft(peer);
}

void Server::Depart(PeerId peer, Departure why) {
  const auto it = clients_.find(peer);
  const std::unique_ptr<Client> client = std::move(it->second);
  clients_.erase(it);
  roster_.Leave(peer);
  const absl::Time now = MonotonicNow();
  ids_.TakeBack(peer, now, now + options_.keep_ids);
  ++counts_.left[static_cast<size_t>(why)];
  holdings_changed_ = true;
  if (events_ != nullptr) events_->OnLeft(peer, client->who(), why);
  delivery_->OnLeft(peer);
}

void Server::OnTrouble(const absl::Status& trouble) {
  ++counts_.trouble;
  if (events_ != nullptr) events_->OnTrouble(trouble);
}

void Server::SaveIfChanged() {
  if (!std::exchange(holdings_changed_, false)) return;
  const absl::Status saved = Save();
  if (!saved.ok()) OnTrouble(saved);
}

absl::Status Server::Save() {
  if (options_.save == nullptr) return absl::OkStatus();
  return options_.save(ids_.Holdings(MonotonicNow()));
}

Status Server::status() const {
  const absl::Time now = MonotonicNow();
  Status status = {.vectors = options_.vectors,
                   .max_peers = options_.max_peers,
                   .uptime = now - started_,
                   .counts = counts_,
                   .delivery = delivery_->counts(),
                   .peers = {}};
  for (const auto& [peer, client] : clients_) {
    client->Sample(now);
    status.peers.push_back({.peer = peer,
                            .who = client->who(),
                            .queued = roster_.Owed(peer),
                            .unread = client->unread(),
                            .waiting = client->waits(),
                            .away = client->turn() == Client::Turn::kAway,
                            .age = now - client->joined()});
  }
  return status;
}

}  // namespace ivshmem::server
