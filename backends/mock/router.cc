// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/router.h"

#include <cstdint>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/strings/str_format.h"
#include "absl/synchronization/mutex.h"
#include "backends/mock/undo.h"

namespace ivshmem::mock {

struct Router::State {
  absl::Mutex mutex;
  size_t routes ABSL_GUARDED_BY(mutex) = 0;
};

Router::Router(Events* events, pci::MsiSink* sink, const Options& options)
    : events_(events),
      sink_(sink),
      options_(options),
      state_(std::make_shared<State>()) {}

Router::~Router() = default;

absl::StatusOr<RegistrationPtr> Router::Bind(EventHandle event,
                                             const pci::MsiMessage& message) {
  auto watch = Add(event, message);
  if (!watch.ok()) {
    if (Log* const log = events_->log()) {
      log->Add(Entry::Refuse(Operation::kBindRoute,
                             static_cast<uint64_t>(event.value),
                             watch.status().code()));
    }
    return watch;
  }
  events_->FireHeld(event);
  return std::make_unique<Undo>([weak = std::weak_ptr<State>(state_),
                                 watch = *std::move(watch)]() mutable {
    watch.reset();
    const std::shared_ptr<State> state = weak.lock();
    if (state == nullptr) return;
    absl::MutexLock lock(&state->mutex);
    --state->routes;
  });
}

absl::StatusOr<RegistrationPtr> Router::Add(EventHandle event,
                                            const pci::MsiMessage& message) {
  absl::MutexLock lock(&state_->mutex);
  if (options_.faults != nullptr) {
    absl::Status injected = options_.faults->Next(Operation::kBindRoute);
    if (!injected.ok()) return injected;
  }
  if (state_->routes >= options_.capacity) {
    return absl::ResourceExhaustedError(absl::StrFormat(
        "routes: expected at most %d, got one more", options_.capacity));
  }
  auto watch = events_->AddWatcher(
      event, Events::Watcher::kRoute,
      [sink = sink_, message] { sink->Send(message); },
      Events::Entries{.added = Entry::BindRoute(event, message),
                      .removed = Entry::UnbindRoute(event, message)});
  if (watch.ok()) ++state_->routes;
  return watch;
}

size_t Router::size() const {
  absl::MutexLock lock(&state_->mutex);
  return state_->routes;
}

}  // namespace ivshmem::mock
