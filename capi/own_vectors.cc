// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "capi/own_vectors.h"

#include <sys/epoll.h>

#include <utility>

#include "absl/status/statusor.h"

namespace ivshmem::capi {

OwnVectors::OwnVectors(Device& device)
    : device_(device),
      revocable_(std::make_shared<Revocable<Device>>(device)),
      events_(device.config().vectors),
      watches_(device.config().vectors) {}

OwnVectors::~OwnVectors() {
  revocable_->Revoke();
  watches_.clear();
}

std::shared_ptr<EventFd> OwnVectors::Find(Vector vector) const {
  absl::MutexLock lock(&mutex_);
  return vector < events_.size() ? events_[vector] : nullptr;
}

bool OwnVectors::any() const {
  absl::MutexLock lock(&mutex_);
  for (const auto& event : events_) {
    if (event != nullptr) return true;
  }
  return false;
}

void OwnVectors::Connect(Vector vector, std::shared_ptr<EventFd> event) {
  const std::optional<PeerId> id = device_.id();
  if (!id.has_value()) return;
  // Neither of its errors can be: no device has more vectors than a peer may.
  device_.peers().Connect(*id, vector, std::move(event)).IgnoreError();
}

absl::StatusOr<OwnVectors::WatchPtr> OwnVectors::NewWatch(
    EventLoop& loop, Vector vector, std::shared_ptr<EventFd> event) {
  const int fd = event->fd();
  return loop.NewWatch(
      fd, EPOLLIN,
      [device = revocable_, event = std::move(event), vector](uint32_t) {
        // Signals that came together are one interrupt.
        if (!event->Drain()) return;
        device->With([&](Device& to) { to.OnPeerInterrupt(vector); });
      });
}

absl::Status OwnVectors::Set(Vector vector, std::shared_ptr<EventFd> event) {
  WatchPtr watch;
  if (loop_ != nullptr) {
    absl::StatusOr<WatchPtr> made = NewWatch(*loop_, vector, event);
    if (!made.ok()) return made.status();
    watch = *std::move(made);
  }
  {
    absl::MutexLock lock(&mutex_);
    events_[vector] = event;
  }
  // The old one goes last, and not under the lock: that may wait for its
  // handler.
  std::swap(watches_[vector], watch);
  Connect(vector, std::move(event));
  return absl::OkStatus();
}

void OwnVectors::SetId(std::optional<PeerId> id) {
  std::vector<std::shared_ptr<EventFd>> events;
  {
    absl::MutexLock lock(&mutex_);
    events = events_;
  }
  const std::optional<PeerId> before = device_.id();
  if (before.has_value() && before != id && any()) {
    device_.peers().Disconnect(*before);
  }
  device_.SetId(id);
  for (size_t vector = 0; vector < events.size(); ++vector) {
    if (events[vector] == nullptr) continue;
    Connect(static_cast<Vector>(vector), std::move(events[vector]));
  }
}

absl::Status OwnVectors::Serve(EventLoop& loop) {
  std::vector<WatchPtr> watches(watches_.size());
  for (size_t v = 0; v < watches.size(); ++v) {
    const auto vector = static_cast<Vector>(v);
    std::shared_ptr<EventFd> event = Find(vector);
    if (event == nullptr) continue;
    absl::StatusOr<WatchPtr> watch = NewWatch(loop, vector, std::move(event));
    if (!watch.ok()) return watch.status();
    watches[vector] = *std::move(watch);
  }
  loop_ = &loop;
  watches_ = std::move(watches);
  return absl::OkStatus();
}

}  // namespace ivshmem::capi
