// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/vfio_user/vector_events.h"

#include <poll.h>

#include <utility>

namespace ivshmem::vfio_user {
namespace {

// Where a message goes is the client's business: ours only carry the vector.
constexpr uint64_t kMessageAddress = 0xfee00000;

}  // namespace

pci::MsiMessage VectorEvents::MessageOf(int vector) {
  return {.address = kMessageAddress, .data = static_cast<uint32_t>(vector)};
}

void VectorEvents::Set(int vector, const std::shared_ptr<EventFd>& event) {
  std::shared_ptr<EventFd> old;  // Closed outside the lock.
  bool missed = false;
  {
    absl::MutexLock lock(&mutex_);
    Slot& slot = slots_[vector];
    old = std::exchange(slot.event, event);
    if (event != nullptr) missed = std::exchange(slot.missed, false);
  }
  if (missed) Signal(*event);
}

bool VectorEvents::Has(int vector) const {
  absl::MutexLock lock(&mutex_);
  return slots_[vector].event != nullptr;
}

void VectorEvents::Reset() {
  absl::MutexLock lock(&mutex_);
  for (Slot& slot : slots_) slot.missed = false;
}

void VectorEvents::Trigger(int vector) noexcept {
  std::shared_ptr<EventFd> event;
  {
    absl::MutexLock lock(&mutex_);
    event = slots_[vector].event;
  }
  if (event != nullptr) Signal(*event);
}

void VectorEvents::Send(const pci::MsiMessage& message) noexcept {
  std::shared_ptr<EventFd> event;
  {
    absl::MutexLock lock(&mutex_);
    if (message.data >= slots_.size()) return;
    Slot& slot = slots_[message.data];
    event = slot.event;
    if (event == nullptr) slot.missed = true;
  }
  if (event != nullptr) Signal(*event);
}

void VectorEvents::Signal(EventFd& event) noexcept {
  pollfd state = {.fd = event.fd(), .events = POLLOUT, .revents = 0};
  if (poll(&state, 1, 0) != 1 || (state.revents & POLLOUT) == 0) return;
  event.Signal();
}

}  // namespace ivshmem::vfio_user
