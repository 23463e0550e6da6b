// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/xen/slot.h"

#include <atomic>
#include <cstddef>
#include <cstring>

namespace ivshmem::xen {
namespace {

// The state is a bit field: the low half of the byte before `type`, whose upper
// half has the direction and other flags. Those keep their values.
constexpr size_t kFlagsOffset = offsetof(ioreq_t, type) - 1;
constexpr uint8_t kStateMask = 0xf;

std::atomic_ref<uint8_t> Flags(ioreq_t* shared) {
  return std::atomic_ref<uint8_t>(
      reinterpret_cast<uint8_t*>(shared)[kFlagsOffset]);
}

template <typename T>
T ReadOnce(T& shared) {
  return std::atomic_ref<T>(shared).load(std::memory_order_relaxed);
}

}  // namespace

uint32_t Slot::event_port() const noexcept {
  return ReadOnce(shared_->vp_eport);
}

bool Slot::IsReady() const noexcept {
  const uint8_t flags = Flags(shared_).load(std::memory_order_acquire);
  return (flags & kStateMask) == STATE_IOREQ_READY;
}

std::optional<ioreq_t> Slot::Begin() noexcept {
  const uint8_t flags = Flags(shared_).load(std::memory_order_acquire);
  if ((flags & kStateMask) != STATE_IOREQ_READY) return std::nullopt;
  Flags(shared_).store((flags & ~kStateMask) | STATE_IOREQ_INPROCESS,
                       std::memory_order_release);
  ioreq_t copy = {};
  copy.addr = ReadOnce(shared_->addr);
  copy.data = ReadOnce(shared_->data);
  copy.count = ReadOnce(shared_->count);
  copy.size = ReadOnce(shared_->size);
  copy.vp_eport = ReadOnce(shared_->vp_eport);
  copy.type = ReadOnce(shared_->type);
  std::memcpy(reinterpret_cast<uint8_t*>(&copy) + kFlagsOffset, &flags,
              sizeof(flags));
  return copy;
}

bool Slot::Complete(std::optional<uint64_t> data) noexcept {
  const uint8_t flags = Flags(shared_).load(std::memory_order_acquire);
  if ((flags & kStateMask) != STATE_IOREQ_INPROCESS) return false;
  if (data.has_value()) {
    std::atomic_ref<uint64_t>(shared_->data)
        .store(*data, std::memory_order_relaxed);
  }
  Flags(shared_).store((flags & ~kStateMask) | STATE_IORESP_READY,
                       std::memory_order_release);
  return true;
}

}  // namespace ivshmem::xen
