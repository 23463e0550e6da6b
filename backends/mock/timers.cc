// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/timers.h"

#include <algorithm>
#include <thread>
#include <utility>

namespace ivshmem::mock {
namespace {

constexpr int64_t kNever = -1;

struct Entry {
  absl::AnyInvocable<void()> run_out;
  int64_t at = kNever;
};

}  // namespace

struct Timers::State {
  mutable absl::Mutex mutex;
  int64_t now ABSL_GUARDED_BY(mutex) = 0;
  // In the order in which they were made: of two at one time the older first.
  std::vector<std::shared_ptr<Entry>> entries ABSL_GUARDED_BY(mutex);
  const Entry* running ABSL_GUARDED_BY(mutex) = nullptr;
  std::thread::id runner ABSL_GUARDED_BY(mutex);

  // The next to run out, no later than `end`; null when there is none.
  std::shared_ptr<Entry> TakeDue(int64_t end)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    std::shared_ptr<Entry> due;
    for (const std::shared_ptr<Entry>& entry : entries) {
      if (entry->at == kNever || entry->at > end) continue;
      if (due == nullptr || entry->at < due->at) due = entry;
    }
    if (due == nullptr) return nullptr;
    now = std::max(now, std::exchange(due->at, kNever));
    running = due.get();
    runner = std::this_thread::get_id();
    return due;
  }
};

class Timers::OneTimer final : public Timer {
 public:
  OneTimer(std::shared_ptr<State> state, std::shared_ptr<Entry> entry)
      : state_(std::move(state)), entry_(std::move(entry)) {}

  ~OneTimer() override {
    const absl::MutexLock lock(&state_->mutex);
    std::erase(state_->entries, entry_);
    if (state_->runner == std::this_thread::get_id()) return;
    const auto ended = [this]() ABSL_SHARED_LOCKS_REQUIRED(state_->mutex) {
      return state_->running != entry_.get();
    };
    state_->mutex.Await(absl::Condition(&ended));
  }

  void Set(absl::Duration delay) override {
    const absl::MutexLock lock(&state_->mutex);
    entry_->at =
        state_->now + std::max<int64_t>(0, absl::ToInt64Nanoseconds(delay));
  }
  void Clear() override {
    const absl::MutexLock lock(&state_->mutex);
    entry_->at = kNever;
  }

 private:
  const std::shared_ptr<State> state_;
  const std::shared_ptr<Entry> entry_;
};

Timers::Timers() : state_(std::make_shared<State>()) {}

Timers::~Timers() = default;

absl::StatusOr<std::unique_ptr<Timer>> Timers::NewTimer(
    absl::AnyInvocable<void()> run_out) {
  auto entry = std::make_shared<Entry>();
  entry->run_out = std::move(run_out);
  {
    const absl::MutexLock lock(&state_->mutex);
    state_->entries.push_back(entry);
  }
  return std::make_unique<OneTimer>(state_, std::move(entry));
}

int64_t Timers::Now() noexcept {
  const absl::MutexLock lock(&state_->mutex);
  return state_->now;
}

void Timers::Advance(absl::Duration duration) {
  int64_t end;
  {
    const absl::MutexLock lock(&state_->mutex);
    end = state_->now + absl::ToInt64Nanoseconds(duration);
  }
  for (;;) {
    std::shared_ptr<Entry> due;
    {
      const absl::MutexLock lock(&state_->mutex);
      due = state_->TakeDue(end);
      if (due == nullptr) {
        state_->now = end;
        return;
      }
    }
    due->run_out();
    const absl::MutexLock lock(&state_->mutex);
    state_->running = nullptr;
  }
}

int Timers::pending() const {
  const absl::MutexLock lock(&state_->mutex);
  return static_cast<int>(
      std::count_if(state_->entries.begin(), state_->entries.end(),
                    [](const auto& entry) { return entry->at != kNever; }));
}

}  // namespace ivshmem::mock
