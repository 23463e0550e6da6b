// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/request_slots.h"

#include <atomic>
#include <cerrno>
#include <utility>

namespace ivshmem::acrn {
namespace {

std::atomic_ref<uint32_t> State(acrn_io_request& slot) {
  return std::atomic_ref<uint32_t>(slot.processed);
}

void CopyAnswer(const acrn_io_request& slot, acrn_io_request& request) {
  const acrn_mmio_request& access = request.reqs.mmio_request;
  if (access.direction != ACRN_IOREQ_DIR_READ) return;
  const uint64_t mask = access.size >= 1 && access.size <= 8
                            ? ~uint64_t{0} >> (64 - 8 * access.size)
                            : 0;
  if (request.type == ACRN_IOREQ_TYPE_MMIO) {
    request.reqs.mmio_request.value = slot.reqs.mmio_request.value & mask;
  } else {
    request.reqs.pio_request.value =
        static_cast<uint32_t>(slot.reqs.pio_request.value & mask);
  }
}

// Makes the slot FREE, unless it is PROCESSING.
bool TakeBack(acrn_io_request& slot) {
  const auto state = State(slot);
  uint32_t seen = state.load(std::memory_order_acquire);
  while (seen != ACRN_IOREQ_STATE_PROCESSING) {
    if (state.compare_exchange_weak(seen, ACRN_IOREQ_STATE_FREE,
                                    std::memory_order_acq_rel)) {
      return true;
    }
  }
  return false;
}

}  // namespace

RequestSlots::RequestSlots(acrn_io_request_buffer& page, int vcpus,
                           bool polling, Host& host)
    : vcpus_(vcpus), polling_(polling), host_(host) {
  for (size_t i = 0; i < slots_.size(); ++i) {
    slots_[i].shared = &page.req_slot[i];
    State(page.req_slot[i])
        .store(ACRN_IOREQ_STATE_FREE, std::memory_order_release);
  }
}

int RequestSlots::Insert(int vcpu, const acrn_io_request& request) noexcept {
  if (!Has(vcpu)) return -EINVAL;
  Slot& slot = slots_[vcpu];
  {
    absl::MutexLock lock(&slot.mutex);
    if (slot.posted || slot.deferred.has_value()) return -EBUSY;
    if (!Reclaim(slot)) {
      slot.deferred = request;
      return kPending;
    }
    const int result = Post(slot, request);
    if (result != kPending) return result;
  }
  host_.Upcall();
  return kPending;
}

bool RequestSlots::Reclaim(Slot& slot) noexcept {
  if (!slot.abandoned) return true;
  acrn_io_request& shared = *slot.shared;
  if (State(shared).load(std::memory_order_acquire) ==
      ACRN_IOREQ_STATE_PROCESSING) {
    return false;
  }
  State(shared).store(ACRN_IOREQ_STATE_FREE, std::memory_order_release);
  slot.abandoned = false;
  return true;
}

int RequestSlots::Post(Slot& slot, const acrn_io_request& request) noexcept {
  acrn_io_request& shared = *slot.shared;
  if (State(shared).load(std::memory_order_acquire) != ACRN_IOREQ_STATE_FREE) {
    return -EBUSY;
  }
  shared.type = request.type;
  shared.completion_polling = polling_ ? 1 : 0;
  shared.reqs = request.reqs;
  // Before the upcall, and after all that.
  State(shared).store(ACRN_IOREQ_STATE_PENDING, std::memory_order_release);
  slot.posted = true;
  return kPending;
}

int RequestSlots::Take(int vcpu, acrn_io_request& request) noexcept {
  if (!Has(vcpu)) return -EINVAL;
  Slot& slot = slots_[vcpu];
  {
    absl::MutexLock lock(&slot.mutex);
    if (!slot.deferred.has_value()) return TakePosted(slot, request);
    if (!Reclaim(slot)) return kPending;
    const auto deferred = *std::exchange(slot.deferred, std::nullopt);
    // On the vCPU's own thread, as Insert(): nobody else ever fills a slot.
    const int result = Post(slot, deferred);
    if (result != kPending) return result;
  }
  host_.Upcall();
  return kPending;
}

int RequestSlots::TakePosted(Slot& slot, acrn_io_request& request) noexcept {
  if (!slot.posted) return -ECANCELED;
  acrn_io_request& shared = *slot.shared;
  if (State(shared).load(std::memory_order_acquire) !=
      ACRN_IOREQ_STATE_COMPLETE) {
    return kPending;
  }
  CopyAnswer(shared, request);
  slot.posted = false;
  State(shared).store(ACRN_IOREQ_STATE_FREE, std::memory_order_release);
  return 0;
}

void RequestSlots::Reset() noexcept {
  for (int vcpu = 0; vcpu < vcpus_; ++vcpu) {
    Slot& slot = slots_[vcpu];
    bool waits = false;
    {
      absl::MutexLock lock(&slot.mutex);
      waits = slot.posted || slot.deferred.has_value();
      slot.abandoned =
          (slot.abandoned || slot.posted) && !TakeBack(*slot.shared);
      if (!waits && !slot.abandoned) set_state(vcpu, ACRN_IOREQ_STATE_FREE);
      slot.posted = false;
      slot.deferred.reset();
    }
    if (waits && !polling_) host_.Resume(vcpu);
  }
}

uint32_t RequestSlots::state(int vcpu) const noexcept {
  if (!Has(vcpu)) return ACRN_IOREQ_STATE_FREE;
  return State(*slots_[vcpu].shared).load(std::memory_order_acquire);
}

void RequestSlots::set_state(int vcpu, uint32_t state) noexcept {
  if (!Has(vcpu)) return;
  State(*slots_[vcpu].shared).store(state, std::memory_order_release);
}

void RequestSlots::RequestFinished(int slot) noexcept {
  if (Has(slot)) host_.Resume(slot);
}

}  // namespace ivshmem::acrn
