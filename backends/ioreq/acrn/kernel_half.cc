// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/acrn/kernel_half.h"

#include <array>

namespace ivshmem::acrn {
namespace {

constexpr uint32_t Bit(int slot) { return uint32_t{1} << slot; }

std::atomic_ref<uint32_t> State(acrn_io_request& slot) {
  return std::atomic_ref<uint32_t>(slot.processed);
}

// The others write these at any time if they are broken, so that they are never
// plain accesses.
uint32_t Load(uint32_t& word) {
  return std::atomic_ref<uint32_t>(word).load(std::memory_order_relaxed);
}

void Store(uint32_t& word, uint32_t value) {
  std::atomic_ref<uint32_t>(word).store(value, std::memory_order_relaxed);
}

// What was asked. The state has its own accesses.
acrn_io_request Copy(const acrn_io_request& slot) {
  acrn_io_request request = {};
  request.type = slot.type;
  request.reqs = slot.reqs;
  return request;
}

}  // namespace

void KernelHalf::SetServed(bool served) {
  absl::MutexLock lock(&mutex_);
  served_ = served;
}

bool KernelHalf::Upcall() noexcept {
  std::array<Owner, ACRN_IO_REQUEST_MAX> owners = {};
  {
    absl::MutexLock lock(&mutex_);
    for (int slot = 0; slot < slots_; ++slot) {
      owners[slot] = TakeOver(slot);
      if (owners[slot] != Owner::kOthers) answering_ |= Bit(slot);
    }
  }
  for (int slot = 0; slot < slots_; ++slot) {
    if (owners[slot] != Owner::kOthers) End(slot, owners[slot]);
  }
  return pending() != 0;
}

KernelHalf::Owner KernelHalf::TakeOver(int index) noexcept {
  acrn_io_request& slot = page_.req_slot[index];
  const uint32_t state = State(slot).load(std::memory_order_acquire);
  // What was taken back is nobody's to answer any more.
  if (state != ACRN_IOREQ_STATE_PROCESSING) pending_.fetch_and(~Bit(index));
  // A client's answer to one that was taken back is still to come.
  if (state != ACRN_IOREQ_STATE_PENDING || (answering_ & Bit(index)) != 0) {
    return Owner::kOthers;
  }

  acrn_io_request request = Copy(slot);
  Owner owner = Owner::kOthers;
  if (config_address_.Answer(request)) {
    owner = Owner::kNobody;
  } else {
    config_address_.Translate(request);
    if (client_ != nullptr && client_->Covers(request)) owner = Owner::kClient;
  }
  if (owner == Owner::kOthers && !served_) return owner;

  // All of it before the device model can see the state.
  if (request.type != slot.type || owner == Owner::kNobody) {
    slot.type = request.type;
    slot.reqs = request.reqs;
  }
  Store(slot.kernel_handled, owner == Owner::kOthers ? 0 : 1);
  uint32_t expected = ACRN_IOREQ_STATE_PENDING;
  if (!State(slot).compare_exchange_strong(
          expected, ACRN_IOREQ_STATE_PROCESSING, std::memory_order_acq_rel)) {
    return Owner::kOthers;  // Taken back at this moment.
  }
  if (owner == Owner::kOthers) pending_.fetch_or(Bit(index));
  return owner;
}

void KernelHalf::End(int index, Owner owner) noexcept {
  acrn_io_request& slot = page_.req_slot[index];
  acrn_io_request request = Copy(slot);
  if (owner == Owner::kClient) client_->Answer(request);
  Outcome outcome;
  {
    absl::MutexLock lock(&mutex_);
    answering_ &= ~Bit(index);
    if (State(slot).load(std::memory_order_relaxed) ==
        ACRN_IOREQ_STATE_PROCESSING) {
      slot.reqs = request.reqs;
    }
    outcome = Complete(index);
  }
  Tell(index, outcome);
  // What has been put there meanwhile.
  if (outcome == Outcome::kTakenBack) Upcall();
}

bool KernelHalf::Finish(int slot) noexcept {
  if (slot < 0 || slot >= slots_) return false;
  Outcome outcome;
  {
    absl::MutexLock lock(&mutex_);
    if ((pending() & Bit(slot)) == 0) return false;
    outcome = Complete(slot);
    pending_.fetch_and(~Bit(slot));
  }
  Tell(slot, outcome);
  return outcome != Outcome::kTakenBack;
}

KernelHalf::Outcome KernelHalf::Complete(int index) noexcept {
  acrn_io_request& slot = page_.req_slot[index];
  // First: once it is COMPLETE, the slot may hold the next request.
  const bool polled = Load(slot.completion_polling) != 0;
  uint32_t expected = ACRN_IOREQ_STATE_PROCESSING;
  if (!State(slot).compare_exchange_strong(expected, ACRN_IOREQ_STATE_COMPLETE,
                                           std::memory_order_release,
                                           std::memory_order_relaxed)) {
    return Outcome::kTakenBack;
  }
  return polled ? Outcome::kPolled : Outcome::kFinished;
}

void KernelHalf::Tell(int slot, Outcome outcome) noexcept {
  if (outcome == Outcome::kFinished) hypervisor_.RequestFinished(slot);
}

void KernelHalf::Clear() noexcept {
  std::array<Outcome, ACRN_IO_REQUEST_MAX> outcomes = {};
  {
    absl::MutexLock lock(&mutex_);
    for (int slot = 0; slot < slots_; ++slot) {
      // What nobody has taken over goes the same way, whoever is there.
      uint32_t expected = ACRN_IOREQ_STATE_PENDING;
      const bool taken =
          (answering_ & Bit(slot)) == 0 &&
          State(page_.req_slot[slot])
              .compare_exchange_strong(expected, ACRN_IOREQ_STATE_PROCESSING);
      if (taken || (pending() & Bit(slot)) != 0) {
        outcomes[slot] = Complete(slot);
      }
    }
    pending_.store(0);
  }
  for (int slot = 0; slot < slots_; ++slot) Tell(slot, outcomes[slot]);
}

}  // namespace ivshmem::acrn
