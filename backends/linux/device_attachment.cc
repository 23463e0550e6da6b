// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/device_attachment.h"

#include <sys/epoll.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"

namespace ivshmem {

DeviceAttachment::DeviceAttachment(
    EventLoop& loop, Device& device,
    absl::AnyInvocable<void(const std::string&)> warn)
    : loop_(loop),
      warn_(std::move(warn)),
      device_(std::make_shared<Revocable<Device>>(device)),
      closed_device_(device) {}

void DeviceAttachment::Push(Change change) {
  absl::MutexLock lock(&mutex_);
  changes_.push_back(std::move(change));
}

void DeviceAttachment::Apply() noexcept {
  settler_.Kick([this] { Drain(); });
}

void DeviceAttachment::Drain() {
  for (;;) {
    std::optional<Change> change;
    {
      absl::MutexLock lock(&mutex_);
      if (changes_.empty()) return;
      change = std::move(changes_.front());
      changes_.pop_front();
    }
    device_->With(
        [&](Device& device) { ApplyOne(device, *std::move(change)); });
  }
}

void DeviceAttachment::ApplyOne(Device& device, Change change) {
  switch (change.kind) {
    case Change::Kind::kId:
      device.SetId(change.peer);
      return;
    case Change::Kind::kConnect:
      connected_.insert(change.peer);
      // Neither of its errors can be: the protocol gives no such vector, and
      // the event is there.
      device.peers()
          .Connect(change.peer, change.vector, std::move(change.event))
          .IgnoreError();
      return;
    case Change::Kind::kDisconnect:
      connected_.erase(change.peer);
      device.peers().Disconnect(change.peer);
      return;
    case Change::Kind::kOwnVector:
      WatchOwnVector(change.vector, std::move(change.event));
      return;
    case Change::Kind::kNewSession:
      previous_ = std::exchange(current_, {});
      return;
  }
}

void DeviceAttachment::WatchOwnVector(Vector vector,
                                      std::shared_ptr<EventFd> event) {
  EventFd* carrier = event.get();
  absl::StatusOr<std::unique_ptr<EventLoop::Watch>> watch = loop_.NewWatch(
      carrier->fd(), EPOLLIN, [device = device_, event, vector](uint32_t) {
        // What the device cannot be told any more stays in the event, for who
        // reads it next.
        device->With([&](Device& to) {
          // Signals that came together are one interrupt, as with QEMU.
          if (event->Drain()) to.OnPeerInterrupt(vector);
        });
      });
  if (!watch.ok()) {
    warn_(absl::StrFormat("interrupts of vector %d will not arrive: %s", vector,
                          watch.status().message()));
    return;
  }
  current_.push_back({{vector, std::move(event)}, *std::move(watch)});
}

std::vector<DeviceAttachment::OwnEvent> DeviceAttachment::Stop() noexcept {
  std::vector<OwnEvent> earlier;
  device_->Revoke();
  stopped_ = true;
  current_.clear();
  for (Watched& watched : std::exchange(previous_, {})) {
    earlier.push_back(std::move(watched.own));
  }
  return earlier;
}

void DeviceAttachment::Close() noexcept {
  if (!stopped_) Stop();
  for (const PeerId peer : connected_) closed_device_.peers().Disconnect(peer);
  connected_.clear();
}

}  // namespace ivshmem
