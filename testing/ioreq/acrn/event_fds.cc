// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/acrn/event_fds.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace ivshmem::acrn_simulation {
namespace {

bool IsPorts(const acrn_ioeventfd& config) {
  return (config.flags & ACRN_IOEVENTFD_FLAG_PIO) != 0;
}

bool IsWildcard(const acrn_ioeventfd& config) {
  return (config.flags & ACRN_IOEVENTFD_FLAG_DATAMATCH) == 0;
}

bool Contains(const acrn_ioeventfd& config, const acrn_io_request& request) {
  // Address and size have the same places for memory and ports.
  const acrn_mmio_request& access = request.reqs.mmio_request;
  const uint32_t type =
      IsPorts(config) ? ACRN_IOREQ_TYPE_PORTIO : ACRN_IOREQ_TYPE_MMIO;
  return request.type == type && access.address >= config.addr &&
         access.address - config.addr < config.len && access.size != 0 &&
         access.size <= config.len - (access.address - config.addr);
}

}  // namespace

EventFds::EventFds()
    : epoll_(epoll_create1(EPOLL_CLOEXEC)),
      end_(eventfd(0, EFD_CLOEXEC)),
      listener_([this] { Listen(); }) {}

EventFds::~EventFds() {
  epoll_event event = {.events = EPOLLOUT, .data = {.u64 = 0}};
  epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, end_.get(), &event);
  listener_.join();
}

void EventFds::Listen() {
  while (true) {
    epoll_event event = {};
    if (epoll_wait(epoll_.get(), &event, 1, -1) != 1) continue;
    if (event.data.u64 == 0) return;
    const std::lock_guard lock(mutex_);
    for (const BoundMessage& message : messages_) {
      if (message.number == event.data.u64) sent_.push_back(message.config.msi);
    }
  }
}

int EventFds::IoEventFd(const acrn_ioeventfd& config, UniqueFd fd) {
  if (config.reserved != 0) return -EINVAL;
  const std::lock_guard lock(mutex_);
  if ((config.flags & ACRN_IOEVENTFD_FLAG_DEASSIGN) != 0) {
    const auto found = std::find_if(
        doorbells_.begin(), doorbells_.end(),
        [&](const auto& bound) { return bound.config.fd == config.fd; });
    if (found != doorbells_.end()) doorbells_.erase(found);
    return 0;
  }
  if (!fd.valid()) return -EBADF;
  if (config.addr + config.len < config.addr) return -EINVAL;
  if (config.len != 1 && config.len != 2 && config.len != 4 &&
      config.len != 8) {
    return -EINVAL;
  }
  for (const BoundDoorbell& bound : doorbells_) {
    if (bound.config.addr == config.addr &&
        IsPorts(bound.config) == IsPorts(config) &&
        (IsWildcard(bound.config) || IsWildcard(config) ||
         bound.config.data == config.data)) {
      return -EEXIST;
    }
  }
  doorbells_.push_back({config, std::move(fd)});
  return 0;
}

bool EventFds::Covers(const acrn_io_request& request) noexcept {
  const std::lock_guard lock(mutex_);
  return std::any_of(
      doorbells_.begin(), doorbells_.end(),
      [&](const auto& bound) { return Contains(bound.config, request); });
}

void EventFds::Answer(acrn_io_request& request) noexcept {
  acrn_mmio_request& access = request.reqs.mmio_request;
  if (access.direction == ACRN_IOREQ_DIR_READ) {
    if (request.type == ACRN_IOREQ_TYPE_MMIO) {
      access.value = 0;
    } else {
      request.reqs.pio_request.value = 0;
    }
    return;
  }
  const uint64_t value = request.type == ACRN_IOREQ_TYPE_MMIO
                             ? access.value
                             : request.reqs.pio_request.value;
  const std::lock_guard lock(mutex_);
  for (const BoundDoorbell& bound : doorbells_) {
    if (bound.config.addr == access.address &&
        Contains(bound.config, request) &&
        (IsWildcard(bound.config) || bound.config.data == value)) {
      eventfd_write(bound.fd.get(), 1);
      return;
    }
  }
}

int EventFds::Irqfd(const acrn_irqfd& config, UniqueFd fd) {
  const std::lock_guard lock(mutex_);
  const auto found = std::find_if(
      messages_.begin(), messages_.end(),
      [&](const auto& bound) { return bound.config.fd == config.fd; });
  if ((config.flags & ACRN_IRQFD_FLAG_DEASSIGN) != 0) {
    if (found == messages_.end()) return 0;
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, found->fd.get(), nullptr);
    messages_.erase(found);
    return 0;
  }
  if (found != messages_.end()) return -EBUSY;
  if (!fd.valid()) return -EBADF;
  BoundMessage bound = {++numbers_, config, std::move(fd)};
  epoll_event event = {.events = EPOLLIN | EPOLLET,
                       .data = {.u64 = bound.number}};
  if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, bound.fd.get(), &event) != 0) {
    return -errno;
  }
  messages_.push_back(std::move(bound));
  return 0;
}

void EventFds::Inject(const acrn_msi_entry& message) {
  const std::lock_guard lock(mutex_);
  sent_.push_back(message);
}

std::vector<acrn_msi_entry> EventFds::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(sent_, {});
}

}  // namespace ivshmem::acrn_simulation
