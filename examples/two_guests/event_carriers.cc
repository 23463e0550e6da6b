// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/two_guests/event_carriers.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <utility>

#include "absl/memory/memory.h"

namespace ivshmem::two_guests {
namespace {

// Peers ring `to` by `event`: the other device and, as with a server, `to`
// itself, which also learns by this what its own vectors' events are.
absl::Status Connect(Device& to, Device& other, int vector,
                     const std::shared_ptr<EventFd>& event) {
  for (Device* device : {&to, &other}) {
    if (absl::Status status = device->peers().Connect(
            *to.id(), static_cast<Vector>(vector), event);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::unique_ptr<EventCarriers>> EventCarriers::Create(
    Device& pc, Device& board, EventLoop& loop,
    const std::function<void()>& on_ring) {
  auto carriers = absl::WrapUnique(new EventCarriers(pc, board));
  if (absl::Status status = carriers->ConnectPc(); !status.ok()) return status;
  if (absl::Status status = carriers->ConnectBoard(loop, on_ring);
      !status.ok()) {
    return status;
  }
  return carriers;
}

absl::Status EventCarriers::ConnectPc() {
  for (int vector = 0; vector < pc_.config().vectors; ++vector) {
    auto event = EventFd::Create();
    if (!event.ok()) return event.status();
    to_pc_.push_back(*event);
    if (absl::Status status = Connect(pc_, board_, vector, *event);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

absl::Status EventCarriers::ConnectBoard(EventLoop& loop,
                                         const std::function<void()>& on_ring) {
  for (int vector = 0; vector < board_.config().vectors; ++vector) {
    auto event = EventFd::Create();
    if (!event.ok()) return event.status();
    auto carrier = std::make_unique<ToBoard>();
    carrier->event = *event;
    auto watch = loop.NewWatch(
        (*event)->fd(), EPOLLIN, [carrier = carrier.get(), on_ring](uint32_t) {
          eventfd_t rings = 0;
          if (eventfd_read(carrier->event->fd(), &rings) != 0) return;
          carrier->arrived += rings;
          on_ring();
        });
    if (!watch.ok()) return watch.status();
    carrier->watch = *std::move(watch);
    to_board_.push_back(std::move(carrier));
    if (absl::Status status = Connect(board_, pc_, vector, *event);
        !status.ok()) {
      return status;
    }
  }
  return absl::OkStatus();
}

void EventCarriers::Deliver() {
  for (size_t vector = 0; vector < to_pc_.size(); ++vector) {
    if (to_pc_[vector]->Drain()) {
      pc_.OnPeerInterrupt(static_cast<Vector>(vector));
    }
  }
  for (size_t vector = 0; vector < to_board_.size(); ++vector) {
    const uint64_t rings = to_board_[vector]->arrived.exchange(0);
    rings_of_board_ += rings;
    if (rings != 0) board_.OnPeerInterrupt(static_cast<Vector>(vector));
  }
}

uint64_t EventCarriers::rung_by_kernel() const {
  const uint64_t by_device = pc_.count(RingResult::kDelivered);
  return rings_of_board_ - std::min(rings_of_board_, by_device);
}

uint64_t EventCarriers::taken_by_kernel() const {
  const uint64_t rung = board_.count(RingResult::kDelivered);
  const uint64_t by_device = pc_.count(InterruptResult::kDelivered) +
                             pc_.count(InterruptResult::kHeld);
  return rung - std::min(rung, by_device);
}

}  // namespace ivshmem::two_guests
