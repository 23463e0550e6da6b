// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/ioreq/engine.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "backends/linux/blocked_signals.h"

namespace ivshmem::ioreq {
namespace {

constexpr absl::Duration kLeastPatience = absl::Microseconds(100);

// How many times the relief finds nothing new before it sleeps.
constexpr int kQuietLooks = 16;

// As often a wait may end for no reason. After that it is one that does not
// block, because of a request that somebody is still at, and the leader sleeps
// between two looks.
constexpr int kVainWaits = 4;
constexpr absl::Duration kLeastRest = absl::Microseconds(20);
constexpr absl::Duration kMostRest = absl::Milliseconds(1);

void Rest(int vain_waits) {
  if (vain_waits <= kVainWaits) return;
  const int doublings = std::min(vain_waits - kVainWaits - 1, 10);
  absl::SleepFor(std::min(kLeastRest * (1 << doublings), kMostRest));
}

// Between two looks at memory that somebody else is to write.
void Breathe() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

absl::StatusOr<std::unique_ptr<Engine>> Engine::Start(Transport& transport,
                                                      Dispatcher& dispatcher,
                                                      const Options& options) {
  if (options.patience < kLeastPatience) {
    return absl::InvalidArgumentError(
        absl::StrFormat("patience: expected at least %s, got %s",
                        absl::FormatDuration(kLeastPatience),
                        absl::FormatDuration(options.patience)));
  }
  auto engine = absl::WrapUnique(new Engine(transport, dispatcher, options));
  absl::Status started;
  {
    absl::MutexLock lock(&engine->mutex_);
    started = engine->NewThread(&Engine::LeaderMain);
    // With one slot nobody else could have to wait.
    if (started.ok() && engine->slots_ > 1) {
      started = engine->NewThread(&Engine::ReliefMain);
    }
  }
  if (!started.ok()) return started;
  return engine;
}

Engine::Engine(Transport& transport, Dispatcher& dispatcher,
               const Options& options)
    : transport_(transport),
      dispatcher_(dispatcher),
      options_(options),
      slots_(transport.slots()),
      begun_(new std::atomic<bool>[static_cast<size_t>(slots_)]()) {}

Engine::~Engine() {
  stopping_ = true;
  transport_.Stop();
  std::vector<pthread_t> threads;
  {
    absl::MutexLock lock(&mutex_);
    if (threads_.empty()) return;
    mutex_.Await(absl::Condition(&over_));
    threads.swap(threads_);  // There will be no more.
  }
  for (const pthread_t thread : threads) pthread_join(thread, nullptr);
  // The last look passed over a slot whose late answer was out already, but was
  // still marked as begun: its vCPU may have asked again by then.
  for (int slot = 0; slot < slots_; ++slot) {
    const std::optional<Request> request = transport_.Begin(slot);
    if (!request.has_value()) continue;
    transport_.Complete(slot, dispatcher_.Answer(*request));
  }
}

absl::Status Engine::status() const {
  absl::MutexLock lock(&mutex_);
  return status_;
}

absl::Status Engine::NewThread(void* (*main)(void*)) {
  pthread_t thread;
  {
    const BlockedSignals blocked;
    const int error = pthread_create(&thread, nullptr, main, this);
    if (error != 0) return absl::ErrnoToStatus(error, "new thread");
  }
  pthread_setname_np(thread, "ivshmem-ioreq");
  threads_.push_back(thread);
  return absl::OkStatus();
}

void* Engine::LeaderMain(void* self) {
  auto& engine = *static_cast<Engine*>(self);
  while (engine.Lead() && engine.Relieve()) {
  }
  return nullptr;
}

void* Engine::ReliefMain(void* self) {
  auto& engine = *static_cast<Engine*>(self);
  while (engine.Relieve() && engine.Lead()) {
  }
  return nullptr;
}

absl::Status Engine::Wait() {
  if (options_.wait == Options::Wait::kBlock) return transport_.Wait();
  Breathe();
  if (!stopping_.load(std::memory_order_relaxed)) return absl::OkStatus();
  return absl::CancelledError("the engine stops");
}

bool Engine::Lead() {
  int vain_waits = 0;
  while (true) {
    absl::Status status = Wait();
    bool found = false;
    for (int slot = 0; slot < slots_; ++slot) {
      if (begun_[slot].load(std::memory_order_acquire)) continue;
      const std::optional<Request> request = transport_.Begin(slot);
      if (!request.has_value()) continue;
      found = true;
      if (!Serve(slot, *request)) return true;
    }
    if (!status.ok()) {
      Finish(std::move(status));
      return false;
    }
    vain_waits = found ? 0 : vain_waits + 1;
    if (options_.wait == Options::Wait::kBlock) Rest(vain_waits);
  }
}

bool Engine::Serve(int slot, const Request& request) {
  begun_[slot].store(true, std::memory_order_relaxed);
  const uint64_t before = steps_.fetch_add(1, std::memory_order_acq_rel);
  if ((before & kReliefSleeps) != 0) WakeRelief();
  uint64_t step = (before & ~kReliefSleeps) + 1;
  transport_.Complete(slot, dispatcher_.Answer(request));
  begun_[slot].store(false, std::memory_order_release);
  return steps_.compare_exchange_strong(
      step, step + 1, std::memory_order_acq_rel, std::memory_order_relaxed);
}

void Engine::WakeRelief() {
  absl::MutexLock lock(&mutex_);
  steps_.fetch_and(~kReliefSleeps, std::memory_order_relaxed);
  relief_.Signal();
}

void Engine::Finish(absl::Status status) {
  absl::MutexLock lock(&mutex_);
  status_ = std::move(status);
  over_ = true;
  relief_.SignalAll();
  spare_.SignalAll();
}

bool Engine::Relieve() {
  absl::MutexLock lock(&mutex_);
  ++spares_;
  while (has_relief_ && !over_) spare_.Wait(&mutex_);
  --spares_;
  has_relief_ = true;
  uint64_t seen = steps_.load(std::memory_order_acquire);
  int looks = 0;
  while (!over_) {
    relief_.WaitWithTimeout(&mutex_, options_.patience);
    uint64_t now = steps_.load(std::memory_order_acquire);
    if (over_ || now != seen) {
      seen = now;
      looks = 0;
    } else if ((now & 1) != 0) {
      if (!steps_.compare_exchange_strong(now, now + 1)) continue;
      has_relief_ = false;
      if (spares_ > 0) {
        spare_.Signal();
      } else if (threads_.size() <= static_cast<size_t>(slots_)) {
        // Without a relief it goes on as well, until a handler blocks.
        NewThread(&Engine::ReliefMain).IgnoreError();
      }
      return true;
    } else if (++looks == kQuietLooks) {
      looks = 0;
      if (!steps_.compare_exchange_strong(now, now | kReliefSleeps)) continue;
      while (!over_ &&
             (steps_.load(std::memory_order_relaxed) & kReliefSleeps) != 0) {
        relief_.Wait(&mutex_);
      }
    }
  }
  return false;
}

}  // namespace ivshmem::ioreq
