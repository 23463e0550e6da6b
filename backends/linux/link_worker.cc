// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/link_worker.h"

#include <algorithm>
#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/identity.h"

namespace ivshmem {

using Kind = protocol::ClientEvent::Kind;

ServerLink::Worker::Worker(EventLoop& loop, Options options, LinkEvents* events)
    : loop_(loop),
      options_(std::move(options)),
      events_(events),
      retry_delay_(options_.retry_first),
      identity_(options_.identity) {}

absl::Status ServerLink::Worker::Start() {
  {
    absl::MutexLock lock(&mutex_);
    if (identity_.empty()) identity_ = RandomIdentity();
  }
  absl::StatusOr<std::unique_ptr<EventLoop::Timer>> retry = loop_.NewTimer(
      [this] { self_.With([](Worker& self) { self.TryToConnect(); }); });
  if (!retry.ok()) return retry.status();
  retry_timer_ = *std::move(retry);
  absl::StatusOr<std::unique_ptr<EventLoop::Timer>> absent = loop_.NewTimer(
      [this] { self_.With([](Worker& self) { self.OnAbsentPeersDue(); }); });
  if (!absent.ok()) return absent.status();
  absent_timer_ = *std::move(absent);
  retry_timer_->Set(absl::ZeroDuration());
  return absl::OkStatus();
}

void ServerLink::Worker::Revoke() {
  if (!std::exchange(closed_, true)) self_.Revoke();
  // Each waits for its handler, which does nothing any more.
  retry_timer_.reset();
  absent_timer_.reset();
}

void ServerLink::Worker::Close() {
  Revoke();
  connection_.reset();
}

bool ServerLink::Worker::Resume() {
  if (!adopted_.has_value()) return false;
  absl::StatusOr<std::unique_ptr<LinkConnection>> connection =
      LinkConnection::Resume(loop_, options_.socket_path,
                             *std::exchange(adopted_, std::nullopt), *this);
  if (!connection.ok()) {
    OnEnd(connection.status());
    return true;
  }
  connection_ = *std::move(connection);
  absent_timer_->Set(options_.absent_peers);
  return true;
}

void ServerLink::Worker::TryToConnect() {
  if (Resume()) return;
  session_joined_ = false;
  peers_known_ = false;
  early_.clear();
  std::optional<std::string> name;
  if (options_.keep_id) name = IdentityName(identity());
  absl::StatusOr<std::unique_ptr<LinkConnection>> connection =
      LinkConnection::Open(loop_, options_.socket_path, name,
                           options_.greeting_deadline, *this);
  if (connection.ok()) {
    name_conflicts_ = 0;
    connection_ = *std::move(connection);
    return;
  }
  // The name may still be our last connection's. When it stays taken, somebody
  // else has it, and a device that is not known again is better than none.
  if (absl::IsAlreadyExists(connection.status()) && ++name_conflicts_ >= 3) {
    absl::MutexLock lock(&mutex_);
    identity_ = RandomIdentity();
  }
  OnEnd(connection.status());
}

void ServerLink::Worker::TryAgainLater() {
  const double part = absl::Uniform(random_, 0.5, 1.0);
  retry_timer_->Set(retry_delay_ * part);
  retry_delay_ = std::min(retry_delay_ * 2, options_.retry_most);
}

void ServerLink::Worker::Enter(absl::FunctionRef<void()> work) {
  self_.With([work](Worker&) { work(); });
}

absl::Status ServerLink::Worker::OnMessage(const protocol::ClientEvent& event,
                                           UniqueFd fd) {
  switch (event.kind) {
    case Kind::kVersion:
      return absl::OkStatus();
    case Kind::kId:
      session_id_ = event.peer;
      return absl::OkStatus();
    case Kind::kMemory:
      return Join(std::move(fd));
    case Kind::kPeerVector:
    case Kind::kOwnVector:
    case Kind::kSurplusVector:
    case Kind::kPeerLeft:
    case Kind::kUnknownPeerLeft:
      break;
  }
  return Notified(event, std::move(fd));
}

void ServerLink::Worker::OnEnd(absl::Status why) {
  const bool lost = session_joined_;
  connection_.reset();
  early_.clear();
  session_joined_ = false;
  bool over;
  {
    absl::MutexLock lock(&mutex_);
    failure_ = why;
    if (!options_.retry) over_ = true;
    over = over_;
  }
  counters_.Add(lost ? Count::kLosses : Count::kFailures);
  const std::string text = std::string(why.message());
  Emit({.kind = lost ? LinkEvent::Kind::kLost : LinkEvent::Kind::kFailed,
        .text = text});
  if (!over) TryAgainLater();
}

absl::Status ServerLink::Worker::Join(UniqueFd fd) {
  absl::StatusOr<MemoryObject> memory =
      MemoryObject::Adopt(std::move(fd), options_.memory_size);
  if (!memory.ok()) return memory.status();

  bool again = false;
  bool other_memory = false;
  std::optional<PeerId> old_id;
  {
    absl::MutexLock lock(&mutex_);
    again = memory_.has_value();
    if (again) {
      other_memory = memory_->identity() != memory->identity() ||
                     memory_->size() != memory->size();
      if (other_memory) over_ = true;
    } else {
      absl::StatusOr<MappedMemory> mapped = memory->Map();
      if (!mapped.ok()) return mapped.status();
      mapped_ = *std::move(mapped);
      memory_ = *std::move(memory);
    }
    old_id = id_;
  }
  if (other_memory) {
    counters_.Add(Count::kMemoryChanges);
    Emit({.kind = LinkEvent::Kind::kMemoryChanged});
    return absl::FailedPreconditionError(
        "the server has another memory than the one that the device shows");
  }
  if (old_id.has_value() && *old_id != session_id_) {
    counters_.Add(Count::kIdChanges);
    Emit({.kind = LinkEvent::Kind::kIdChanged,
          .peer = session_id_,
          .old_peer = *old_id});
  }
  {
    absl::MutexLock lock(&mutex_);
    id_ = session_id_;
    peers_.BeginSession(session_id_);
  }
  Apply();
  session_joined_ = true;
  retry_delay_ = options_.retry_first;
  counters_.Add(Count::kJoins);
  if (again) absent_timer_->Set(options_.absent_peers);
  Emit({.kind = again ? LinkEvent::Kind::kRejoined : LinkEvent::Kind::kJoined,
        .peer = session_id_});

  for (Early& early : std::exchange(early_, {})) {
    absl::Status status = Notified(early.event, std::move(early.fd));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status ServerLink::Worker::Notified(const protocol::ClientEvent& event,
                                          UniqueFd fd) {
  // Nothing of a session counts before its memory is known to be the right one.
  if (!session_joined_) {
    absl::Status status = CheckRoom(early_.size());
    if (status.ok()) early_.push_back({event, std::move(fd)});
    return status;
  }
  if (event.kind == Kind::kPeerLeft) {
    bool known;
    {
      absl::MutexLock lock(&mutex_);
      known = peers_.Disconnect(event.peer);
    }
    if (!known) return absl::OkStatus();
    Apply();
    counters_.Add(Count::kPeersLeft);
    Emit({.kind = LinkEvent::Kind::kPeerLeft, .peer = event.peer});
    return absl::OkStatus();
  }
  const bool own = event.kind == Kind::kOwnVector;
  if (own && !std::exchange(peers_known_, true)) {
    Emit({.kind = LinkEvent::Kind::kPeersKnown, .peer = event.peer});
  }
  if ((!own && event.kind != Kind::kPeerVector) ||
      (own && event.vector >= options_.vectors)) {
    return absl::OkStatus();
  }
  absl::StatusOr<std::shared_ptr<EventFd>> carrier =
      EventFd::Adopt(std::move(fd));
  if (!carrier.ok()) return carrier.status();
  bool added;
  {
    absl::MutexLock lock(&mutex_);
    absl::Status status = CheckRoom(peers_.descriptors());
    if (!status.ok()) return status;
    added = peers_.Connect(event.peer, event.vector, *std::move(carrier));
  }
  Apply();
  if (own || !added) return absl::OkStatus();
  counters_.Add(Count::kPeersJoined);
  Emit({.kind = LinkEvent::Kind::kPeerJoined, .peer = event.peer});
  return absl::OkStatus();
}

void ServerLink::Worker::OnAbsentPeersDue() {
  std::vector<PeerId> left;
  {
    absl::MutexLock lock(&mutex_);
    // Not joined: the absence is ours.
    if (!session_joined_) return;
    left = peers_.DropAbsent();
  }
  Apply();
  for (const PeerId peer : left) {
    counters_.Add(Count::kPeersLeft);
    Emit({.kind = LinkEvent::Kind::kPeerLeft, .peer = peer});
  }
}

absl::Status ServerLink::Worker::CheckRoom(size_t descriptors) const {
  if (descriptors < static_cast<size_t>(options_.max_descriptors)) {
    return absl::OkStatus();
  }
  return absl::ResourceExhaustedError(
      absl::StrFormat("the server sent more than %d descriptors "
                      "(max_descriptors)",
                      options_.max_descriptors));
}

void ServerLink::Worker::Emit(const LinkEvent& event) const {
  if (events_ != nullptr) events_->OnLinkEvent(event);
}

void ServerLink::Worker::Apply() {
  std::shared_ptr<DeviceAttachment> attachment;
  {
    absl::MutexLock lock(&mutex_);
    attachment = peers_.attachment();
  }
  if (attachment != nullptr) attachment->Apply();
}

absl::Status ServerLink::Worker::WaitJoined(absl::Duration timeout) {
  absl::MutexLock lock(&mutex_);
  const auto decided = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return id_.has_value() || over_;
  };
  mutex_.AwaitWithTimeout(absl::Condition(&decided), timeout);
  if (id_.has_value()) return absl::OkStatus();
  if (!failure_.ok()) return failure_;
  return absl::DeadlineExceededError(
      absl::StrCat(options_.socket_path, ": not joined within ",
                   absl::FormatDuration(timeout)));
}

std::optional<PeerId> ServerLink::Worker::id() const {
  absl::MutexLock lock(&mutex_);
  return id_;
}

SharedMemory ServerLink::Worker::memory() const {
  absl::MutexLock lock(&mutex_);
  return mapped_.view();
}

int ServerLink::Worker::memory_fd() const {
  absl::MutexLock lock(&mutex_);
  return memory_.has_value() ? memory_->fd() : -1;
}

bool ServerLink::Worker::memory_sealed() const {
  absl::MutexLock lock(&mutex_);
  return memory_.has_value() && memory_->sealed();
}

std::string ServerLink::Worker::identity() const {
  absl::MutexLock lock(&mutex_);
  return identity_;
}

absl::StatusOr<std::shared_ptr<DeviceAttachment>> ServerLink::Worker::Attach(
    Device& device) {
  auto attachment = std::make_shared<DeviceAttachment>(
      loop_, device, [this](const std::string& text) {
        Emit({.kind = LinkEvent::Kind::kWarning, .text = text});
      });
  {
    absl::MutexLock lock(&mutex_);
    if (!id_.has_value()) {
      return absl::FailedPreconditionError(
          absl::StrCat(options_.socket_path,
                       ": a device can be attached once the link has "
                       "joined the server"));
    }
    if (peers_.attachment() != nullptr) {
      return absl::FailedPreconditionError(
          absl::StrCat(options_.socket_path,
                       ": a link serves one device, and has one already"));
    }
    peers_.Attach(attachment, device.config().vectors);
  }
  attachment->Apply();
  return attachment;
}

void ServerLink::Worker::Detach() {
  std::shared_ptr<DeviceAttachment> attachment;
  {
    absl::MutexLock lock(&mutex_);
    attachment = peers_.Detach();
  }
  if (attachment != nullptr) attachment->Close();
}

}  // namespace ivshmem
