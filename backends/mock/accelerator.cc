// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/accelerator.h"

#include <algorithm>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_map.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "backends/mock/undo.h"

namespace ivshmem::mock {
namespace {

constexpr size_t kDoorbellSize = 4;

uint32_t LittleEndian(absl::Span<const uint8_t> bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < kDoorbellSize; ++i) {
    value |= static_cast<uint32_t>(bytes[i]) << (8 * i);
  }
  return value;
}

}  // namespace

struct Accelerator::State {
  using Key = std::pair<uint64_t, uint32_t>;  // Address, value.

  explicit State(Log* log) : log(log) {}

  Log* const log;
  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  absl::btree_map<Key, EventHandle> bindings ABSL_GUARDED_BY(mutex);
};

Accelerator::Accelerator(Events* events, const Options& options)
    : events_(events),
      options_(options),
      state_(std::make_shared<State>(options.log)) {}

Accelerator::~Accelerator() {
  absl::MutexLock lock(&state_->mutex);
  state_->closed = true;
}

absl::StatusOr<RegistrationPtr> Accelerator::Bind(uint64_t address,
                                                  uint32_t value,
                                                  EventHandle event) {
  const State::Key key(address, value);
  absl::MutexLock lock(&state_->mutex);
  absl::Status status;
  if (options_.faults != nullptr) {
    status = options_.faults->Next(Operation::kBindDoorbell);
  }
  if (!status.ok()) {
    // Injected.
  } else if (!events_->Exists(event)) {
    status = absl::NotFoundError(absl::StrFormat(
        "event: expected one that exists, got %d", event.value));
  } else if (state_->bindings.contains(key)) {
    status = absl::AlreadyExistsError(absl::StrFormat(
        "value: expected one not bound at %#x, got %#x", address, value));
  } else if (state_->bindings.size() >= options_.capacity) {
    status = absl::ResourceExhaustedError(absl::StrFormat(
        "doorbells: expected at most %d, got one more", options_.capacity));
  }
  if (!status.ok()) {
    if (options_.log != nullptr) {
      options_.log->Add(
          Entry::Refuse(Operation::kBindDoorbell, address, status.code()));
    }
    return status;
  }
  state_->bindings.emplace(key, event);
  if (options_.log != nullptr) {
    options_.log->Add(Entry::BindDoorbell(address, value, event));
  }
  return std::make_unique<Undo>([weak = std::weak_ptr<State>(state_), key] {
    const std::shared_ptr<State> state = weak.lock();
    if (state == nullptr) return;
    absl::MutexLock lock(&state->mutex);
    if (state->closed) return;
    const auto it = state->bindings.find(key);
    if (state->log != nullptr) {
      state->log->Add(Entry::UnbindDoorbell(key.first, key.second, it->second));
    }
    state->bindings.erase(it);
  });
}

size_t Accelerator::size() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->bindings.size();
}

bool Accelerator::Access(uint64_t address, absl::Span<uint8_t> bytes) {
  if (!Swallows(address, bytes.size())) return false;
  std::fill(bytes.begin(), bytes.end(), uint8_t{0});
  return true;
}

bool Accelerator::Access(uint64_t address, absl::Span<const uint8_t> bytes) {
  if (bytes.size() == kDoorbellSize) {
    EventHandle event;
    {
      absl::MutexLock lock(&state_->mutex);
      const auto it = state_->bindings.find({address, LittleEndian(bytes)});
      if (it != state_->bindings.end()) event = it->second;
    }
    if (event.valid()) {
      events_->Signal(event);
      return true;
    }
  }
  return Swallows(address, bytes.size());
}

bool Accelerator::Swallows(uint64_t address, size_t size) const {
  if (options_.miss_policy != MissPolicy::kSwallowed) return false;
  absl::MutexLock lock(&state_->mutex);
  for (uint64_t skip = 0; skip + size <= kDoorbellSize && skip <= address;
       ++skip) {
    const uint64_t bound = address - skip;
    const auto it = state_->bindings.lower_bound({bound, 0});
    if (it != state_->bindings.end() && it->first.first == bound) return true;
  }
  return false;
}

}  // namespace ivshmem::mock
