// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "testing/ioreq/acrn/hypervisor.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace ivshmem::acrn_simulation {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);
constexpr size_t kMostViolations = 20;

// The offsets are the fact sheet's, not the backend's idea of them.
constexpr size_t kDirection = 64;
constexpr size_t kAddress = 72;
constexpr size_t kValue = 88;
constexpr size_t kBus = 92;
constexpr size_t kConfigEnd = 108;
constexpr size_t kKernelHandled = 132;
constexpr size_t kState = 136;

uint32_t LoadState(const acrn_io_request& slot) {
  return __atomic_load_n(&slot.processed, __ATOMIC_ACQUIRE);
}

void StoreState(acrn_io_request& slot, uint32_t state) {
  __atomic_store_n(&slot.processed, state, __ATOMIC_RELEASE);
}

const char* Name(uint32_t state) {
  switch (state) {
    case ACRN_IOREQ_STATE_PENDING:
      return "PENDING";
    case ACRN_IOREQ_STATE_COMPLETE:
      return "COMPLETE";
    case ACRN_IOREQ_STATE_PROCESSING:
      return "PROCESSING";
    case ACRN_IOREQ_STATE_FREE:
      return "FREE";
    default:
      return "no state";
  }
}

// How far a request is.
int Progress(uint32_t state) {
  switch (state) {
    case ACRN_IOREQ_STATE_PENDING:
      return 0;
    case ACRN_IOREQ_STATE_PROCESSING:
      return 1;
    case ACRN_IOREQ_STATE_COMPLETE:
      return 2;
    default:
      return -1;
  }
}

template <typename T>
T At(const acrn_io_request& slot, size_t offset) {
  T value;
  std::memcpy(&value, reinterpret_cast<const uint8_t*>(&slot) + offset,
              sizeof(value));
  return value;
}

std::array<uint8_t, sizeof(acrn_io_request)> Bytes(
    const acrn_io_request& slot) {
  return At<std::array<uint8_t, sizeof(slot)>>(slot, 0);
}

bool IsConfigPort(const acrn_io_request& asked) {
  const auto port = At<uint64_t>(asked, kAddress);
  return asked.type == ACRN_IOREQ_TYPE_PORTIO &&
         (port == 0xcf8 || (port >= 0xcfc && port <= 0xcff));
}

// Whether the byte at `offset` may differ between what was asked and what is
// there at the end.
bool MayChange(const acrn_io_request& asked, size_t offset) {
  if (offset >= kKernelHandled && offset < kState + 4) return true;
  if (IsConfigPort(asked) &&
      (offset < 4 || (offset >= kBus && offset < kConfigEnd))) {
    return true;
  }
  // Of a type that nobody knows, nobody knows the direction.
  if (asked.type <= ACRN_IOREQ_TYPE_PCICFG &&
      At<uint32_t>(asked, kDirection) == ACRN_IOREQ_DIR_WRITE) {
    return false;
  }
  const bool narrow = asked.type == ACRN_IOREQ_TYPE_PORTIO ||
                      asked.type == ACRN_IOREQ_TYPE_PCICFG;
  return offset >= kValue && offset < kValue + (narrow ? 4 : 8);
}

}  // namespace

Hypervisor::Hypervisor(acrn_io_request_buffer& page, int vcpus,
                       std::function<void()> upcall)
    : page_(page), vcpus_(vcpus), upcall_(std::move(upcall)) {
  for (int i = 0; i < ACRN_IO_REQUEST_MAX; ++i) {
    StoreState(page_.req_slot[i], ACRN_IOREQ_STATE_FREE);
    states_[i].before = page_.req_slot[i];
  }
}

bool Hypervisor::Access(int vcpu, acrn_io_request& request, bool polling) {
  CheckUntouched(vcpu);
  acrn_io_request& slot = page_.req_slot[vcpu];
  acrn_io_request asked = states_[vcpu].before;
  asked.type = request.type;
  asked.reqs = request.reqs;
  asked.completion_polling = polling ? 1 : 0;
  // Of the last request, or of nobody.
  asked.kernel_handled = 0xdead;
  std::memcpy(&slot, &asked, kState);
  {
    const std::lock_guard lock(mutex_);
    ++requests_;
    states_[vcpu].waits = !polling;
    states_[vcpu].hypercalls = 0;
  }
  StoreState(slot, ACRN_IOREQ_STATE_PENDING);
  upcall_();
  const bool answered = Await(vcpu, polling);

  std::memcpy(&request, &slot, sizeof(request));
  if (answered) CheckAnswer(vcpu, asked, request);
  {
    const std::lock_guard lock(mutex_);
    states_[vcpu].waits = false;
    states_[vcpu].before = request;
    states_[vcpu].before.processed = ACRN_IOREQ_STATE_FREE;
  }
  StoreState(slot, ACRN_IOREQ_STATE_FREE);
  return answered;
}

bool Hypervisor::Await(int vcpu, bool polling) {
  const acrn_io_request& slot = page_.req_slot[vcpu];
  Vcpu& self = states_[vcpu];
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  int progress = 0;
  while (std::chrono::steady_clock::now() < deadline) {
    const uint32_t state = LoadState(slot);
    const int now = Progress(state);
    if (now < progress) {
      Violation(absl::StrFormat("vCPU %d: %s (%#x) after %s", vcpu, Name(state),
                                state,
                                progress == 2   ? "COMPLETE"
                                : progress == 1 ? "PROCESSING"
                                                : "PENDING"));
      return false;
    }
    progress = now;
    if (polling) {
      if (progress == 2) return true;
      std::this_thread::yield();
      continue;
    }
    std::unique_lock lock(mutex_);
    if (self.hypercalls > 0 && progress == 2) return true;
    self.told.wait_for(lock, std::chrono::milliseconds(1),
                       [&] { return self.hypercalls > 0; });
  }
  Violation(absl::StrFormat("vCPU %d: not answered; its slot is %s", vcpu,
                            Name(LoadState(slot))));
  return false;
}

void Hypervisor::NotifyFinished(int vcpu) {
  if (vcpu < 0 || vcpu >= vcpus_) {
    return Violation(absl::StrCat("a hypercall for vCPU ", vcpu));
  }
  const uint32_t state = LoadState(page_.req_slot[vcpu]);
  const std::lock_guard lock(mutex_);
  Vcpu& self = states_[vcpu];
  const char* wrong = nullptr;
  if (!self.waits) {
    wrong = "which does not wait";
  } else if (state != ACRN_IOREQ_STATE_COMPLETE) {
    wrong = "whose request is not complete";
  } else if (self.hypercalls > 0) {
    wrong = "which has been told already";
  }
  if (wrong != nullptr && violations_.size() < kMostViolations) {
    violations_.push_back(
        absl::StrFormat("a hypercall for vCPU %d, %s", vcpu, wrong));
  }
  ++self.hypercalls;
  self.told.notify_all();
}

void Hypervisor::CheckUntouched(int vcpu) {
  const acrn_io_request& slot = page_.req_slot[vcpu];
  acrn_io_request before;
  {
    const std::lock_guard lock(mutex_);
    before = states_[vcpu].before;
  }
  if (Bytes(slot) == Bytes(before)) return;
  Violation(absl::StrFormat(
      "vCPU %d: somebody wrote to its slot, which had no request (now %s)",
      vcpu, Name(LoadState(slot))));
}

void Hypervisor::CheckAnswer(int vcpu, const acrn_io_request& asked,
                             const acrn_io_request& answered) {
  for (size_t i = 0; i < sizeof(asked); ++i) {
    if (At<uint8_t>(asked, i) == At<uint8_t>(answered, i) ||
        MayChange(asked, i)) {
      continue;
    }
    return Violation(absl::StrFormat(
        "vCPU %d: byte %d of its slot was %#x, and became %#x (type %d, "
        "direction %d)",
        vcpu, i, At<uint8_t>(asked, i), At<uint8_t>(answered, i), asked.type,
        At<uint32_t>(asked, kDirection)));
  }
}

void Hypervisor::Poke(int vcpu, const acrn_io_request& slot) {
  acrn_io_request& shared = page_.req_slot[vcpu];
  std::memcpy(&shared, &slot, kState);
  {
    const std::lock_guard lock(mutex_);
    states_[vcpu].before = slot;
  }
  StoreState(shared, slot.processed);
}

acrn_io_request Hypervisor::Peek(int vcpu) const {
  acrn_io_request slot;
  // The state first: what is read after COMPLETE is the answer.
  const uint32_t state = LoadState(page_.req_slot[vcpu]);
  std::memcpy(&slot, &page_.req_slot[vcpu], sizeof(slot));
  slot.processed = state;
  return slot;
}

void Hypervisor::Violation(std::string what) {
  const std::lock_guard lock(mutex_);
  if (violations_.size() < kMostViolations) {
    violations_.push_back(std::move(what));
  }
}

std::string Hypervisor::Violations() {
  for (int vcpu = 0; vcpu < ACRN_IO_REQUEST_MAX; ++vcpu) {
    bool busy = false;
    {
      const std::lock_guard lock(mutex_);
      busy = states_[vcpu].waits;
    }
    if (!busy && LoadState(page_.req_slot[vcpu]) == ACRN_IOREQ_STATE_FREE) {
      CheckUntouched(vcpu);
    }
  }
  const std::lock_guard lock(mutex_);
  return absl::StrJoin(violations_, "\n");
}

uint64_t Hypervisor::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

}  // namespace ivshmem::acrn_simulation
