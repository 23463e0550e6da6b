// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/events.h"

#include <array>
#include <deque>
#include <limits>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "backends/mock/undo.h"

namespace ivshmem::mock {
namespace {

constexpr size_t kWatchers = 2;

// The most that an eventfd holds.
constexpr uint64_t kEventFdLimit = std::numeric_limits<uint64_t>::max() - 1;

struct Event {
  uint64_t count = 0;
  uint64_t limit = kEventFdLimit;
  bool broken = false;
  std::array<std::shared_ptr<const Events::Callback>, kWatchers> watchers;

  // Who takes the next signal; null when it is held.
  std::shared_ptr<const Events::Callback> taker() const {
    for (const auto& watcher : watchers) {
      if (watcher != nullptr) return watcher;
    }
    return nullptr;
  }
};

}  // namespace

struct Events::State {
  // Null when the handle names none.
  Event* Find(EventHandle event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    const uint64_t index = static_cast<uint64_t>(event.value) - 1;
    return index < events.size() ? &events[index] : nullptr;
  }

  Notifier::Outcome Signal(EventHandle handle) {
    std::shared_ptr<const Callback> taker;
    {
      absl::MutexLock lock(&mutex);
      Event* const event = Find(handle);
      if (event == nullptr || event->broken || closed) {
        return Notifier::Outcome::kFailed;
      }
      taker = event->taker();
      if (taker == nullptr) {
        if (event->count >= event->limit) return Notifier::Outcome::kFull;
        ++event->count;
      }
      if (log != nullptr) log->Add(Entry::Signal(handle));
    }
    if (taker != nullptr) (*taker)();
    return Notifier::Outcome::kSignalled;
  }

  uint64_t Drain(EventHandle handle) {
    absl::MutexLock lock(&mutex);
    Event* const event = Find(handle);
    return event == nullptr ? 0 : std::exchange(event->count, 0);
  }

  explicit State(Log* log) : log(log) {}

  Log* const log;
  absl::Mutex mutex;
  bool closed ABSL_GUARDED_BY(mutex) = false;
  std::deque<Event> events ABSL_GUARDED_BY(mutex);
};

Events::Events(Log* log) : state_(std::make_shared<State>(log)) {}

Events::~Events() {
  absl::MutexLock lock(&state_->mutex);
  state_->closed = true;
}

EventHandle Events::Create() {
  absl::MutexLock lock(&state_->mutex);
  state_->events.emplace_back();
  return {static_cast<int64_t>(state_->events.size())};
}

Notifier::Outcome Events::Signal(EventHandle event) {
  return state_->Signal(event);
}

bool Events::Exists(EventHandle event) const {
  absl::MutexLock lock(&state_->mutex);
  return state_->Find(event) != nullptr;
}

uint64_t Events::count(EventHandle event) const {
  absl::MutexLock lock(&state_->mutex);
  const Event* const found = state_->Find(event);
  return found == nullptr ? 0 : found->count;
}

uint64_t Events::Drain(EventHandle event) { return state_->Drain(event); }

absl::StatusOr<RegistrationPtr> Events::Watch(EventHandle event,
                                              Watcher watcher,
                                              Callback callback) {
  auto registration =
      AddWatcher(event, watcher, std::move(callback), std::nullopt);
  if (registration.ok()) FireHeld(event);
  return registration;
}

absl::StatusOr<RegistrationPtr> Events::AddWatcher(
    EventHandle event, Watcher watcher, Callback callback,
    const std::optional<Entries>& entries) {
  const auto index = static_cast<size_t>(watcher);
  absl::MutexLock lock(&state_->mutex);
  Event* const found = state_->Find(event);
  if (found == nullptr) {
    return absl::NotFoundError(
        absl::StrFormat("event: expected one of 1..%d, got %d",
                        state_->events.size(), event.value));
  }
  if (found->watchers[index] != nullptr) {
    return absl::AlreadyExistsError(absl::StrFormat(
        "event: expected one without a %s, got event %d, which has one",
        watcher == Watcher::kRoute ? "route" : "reader", event.value));
  }
  found->watchers[index] =
      std::make_shared<const Callback>(std::move(callback));
  if (entries.has_value() && state_->log != nullptr) {
    state_->log->Add(entries->added);
  }
  return std::make_unique<Undo>(
      [weak = std::weak_ptr<State>(state_), event, index, entries] {
        const std::shared_ptr<State> state = weak.lock();
        if (state == nullptr) return;
        std::shared_ptr<const Callback> gone;  // Destroyed outside the lock.
        absl::MutexLock lock(&state->mutex);
        if (state->closed) return;
        state->Find(event)->watchers[index].swap(gone);
        if (entries.has_value() && state->log != nullptr) {
          state->log->Add(entries->removed);
        }
      });
}

void Events::FireHeld(EventHandle event) {
  std::shared_ptr<const Callback> taker;
  {
    absl::MutexLock lock(&state_->mutex);
    Event* const found = state_->Find(event);
    if (found == nullptr || found->count == 0) return;
    taker = found->taker();
    if (taker == nullptr) return;
    found->count = 0;
  }
  (*taker)();
}

Log* Events::log() const { return state_->log; }

void Events::SetLimit(EventHandle event, uint64_t limit) {
  absl::MutexLock lock(&state_->mutex);
  if (Event* const found = state_->Find(event)) found->limit = limit;
}

void Events::Break(EventHandle event) {
  absl::MutexLock lock(&state_->mutex);
  if (Event* const found = state_->Find(event)) found->broken = true;
}

Notifier::Outcome EventNotifier::Signal() noexcept {
  const std::shared_ptr<Events::State> state = state_.lock();
  return state == nullptr ? Outcome::kFailed : state->Signal(event_);
}

bool EventNotifier::TakeSignals() noexcept {
  const std::shared_ptr<Events::State> state = state_.lock();
  return state != nullptr && state->Drain(event_) != 0;
}

}  // namespace ivshmem::mock
