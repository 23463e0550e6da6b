// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/joined_client.h"

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace ivshmem::tool {
namespace {

// A server says who is there and how many vectors each has, but not that it has
// said all. When it has been silent for so long, it has.
constexpr absl::Duration kSilence = absl::Milliseconds(100);

}  // namespace

absl::StatusOr<std::unique_ptr<JoinedClient>> JoinedClient::Join(
    const std::string& socket_path, absl::Duration timeout, Told told) {
  const absl::Time deadline = absl::Now() + timeout;
  absl::StatusOr<std::unique_ptr<EventLoop>> loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  auto client =
      absl::WrapUnique(new JoinedClient(*std::move(loop), std::move(told)));
  absl::StatusOr<std::unique_ptr<ServerLink>> link =
      ServerLink::Start(*client->loop_,
                        {.socket_path = socket_path,
                         .greeting_deadline = timeout,
                         .retry = false,
                         .keep_id = false},
                        client.get());
  if (!link.ok()) return link.status();
  client->link_ = *std::move(link);
  absl::Status status =
      client->RunUntil([&] { return client->link_->id().has_value(); });
  if (!status.ok()) return status;

  absl::StatusOr<std::unique_ptr<Device>> device = Device::Create(
      {.interrupts = InterruptMode::kMsix, .vectors = kMaxVectors},
      {.interrupts = client.get(),
       .peers = client.get(),
       .events = client->told_.events});
  if (!device.ok()) return device.status();
  client->device_ = *std::move(device);
  absl::StatusOr<RegistrationPtr> attachment =
      client->link_->Attach(*client->device_);
  if (!attachment.ok()) return attachment.status();
  client->attachment_ = *std::move(attachment);
  status = client->WaitForPeers(deadline);
  if (!status.ok()) return status;
  return client;
}

JoinedClient::JoinedClient(std::unique_ptr<EventLoop> loop, Told told)
    : told_(std::move(told)), loop_(std::move(loop)) {}

JoinedClient::~JoinedClient() = default;

absl::Status JoinedClient::WaitForPeers(absl::Time deadline) {
  size_t known = 0;
  absl::Time silent_since = absl::Now();
  while (failure_.ok()) {
    const absl::Time now = absl::Now();
    const size_t connections = device_->peers().Connections().size();
    if (connections != known || !peers_known_) silent_since = now;
    known = connections;
    // A server that gives this client no vectors cannot be told from a slow
    // one.
    if (now - silent_since >= kSilence || now >= deadline) break;
    loop_->Dispatch(std::min(kSilence, deadline - now));
  }
  joined_ = true;
  return failure_;
}

std::map<PeerId, int> JoinedClient::Peers() const {
  std::map<PeerId, int> peers;
  for (const PeerTable::Connection& connection :
       device_->peers().Connections()) {
    ++peers[connection.doorbell.peer];
  }
  return peers;
}

absl::Status JoinedClient::Ring(Doorbell doorbell) {
  const std::map<PeerId, int> peers = Peers();
  const auto peer = peers.find(doorbell.peer);
  if (peer == peers.end()) {
    return absl::NotFoundError(
        absl::StrFormat("no peer has the id %d", doorbell.peer));
  }
  const std::shared_ptr<Notifier> notifier = device_->peers().Find(doorbell);
  if (notifier == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("peer %d has no vector %d: it has %d", doorbell.peer,
                        doorbell.vector, peer->second));
  }
  if (notifier->Signal() == Notifier::Outcome::kFailed) {
    return absl::InternalError(
        absl::StrFormat("peer %d vector %d: the event could not be written",
                        doorbell.peer, doorbell.vector));
  }
  return absl::OkStatus();
}

absl::Status JoinedClient::RunUntil(const std::function<bool()>& done) {
  while (!done()) {
    if (!failure_.ok()) return failure_;
    loop_->Dispatch(absl::InfiniteDuration());
  }
  return absl::OkStatus();
}

void JoinedClient::OnLinkEvent(const LinkEvent& event) noexcept {
  switch (event.kind) {
    case LinkEvent::Kind::kPeersKnown:
      peers_known_ = true;
      return;
    case LinkEvent::Kind::kFailed:
    case LinkEvent::Kind::kLost:
      failure_ = absl::UnavailableError(event.text);
      return;
    case LinkEvent::Kind::kPeerJoined:
      if (joined_ && told_.joined) told_.joined(event.peer);
      return;
    case LinkEvent::Kind::kPeerLeft:
      if (joined_ && told_.left) told_.left(event.peer);
      return;
    default:
      return;
  }
}

InterruptResult JoinedClient::Deliver(Vector vector) noexcept {
  if (told_.interrupted) told_.interrupted(vector);
  return InterruptResult::kDelivered;
}

void JoinedClient::PeersChanged() noexcept {
  if (told_.peers_changed) told_.peers_changed();
}

}  // namespace ivshmem::tool
