// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_EVENTS_H_
#define IVSHMEM_BACKENDS_MOCK_EVENTS_H_

#include <cstdint>
#include <memory>
#include <optional>

#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "backends/mock/log.h"
#include "backends/registration.h"
#include "core/notifier.h"

namespace ivshmem::mock {

// Eventfds in memory. An event holds a count of signals until somebody reads
// it, or hands each signal to who watches it. A handle that names no event is
// as a broken one.
//
// Threading: any thread. Callbacks are called on the stack of who signals,
// outside locks; they may call back here.
class Events {
 public:
  // Who takes a signal. A route goes before a reader, as an irqfd takes a
  // signal before any poller sees it.
  enum class Watcher : uint8_t {
    kRoute,   // The hypervisor; see Router.
    kReader,  // A process that polls and reads the event.
  };
  // Called by several threads at once when they signal at once.
  using Callback = absl::AnyInvocable<void() const>;

  // The log, if any, outlives the object.
  explicit Events(Log* log = nullptr);
  ~Events();

  Events(const Events&) = delete;
  Events& operator=(const Events&) = delete;

  // A new event that holds no signal. Handles count from 1.
  EventHandle Create();

  Notifier::Outcome Signal(EventHandle event);

  bool Exists(EventHandle event) const;

  // The signals held.
  uint64_t count(EventHandle event) const;

  // As reading an eventfd: the signals held, which then are held no more.
  uint64_t Drain(EventHandle event);

  // From now on `callback` is called for each signal, which is not held then.
  // Signals that were held make one call at once. A call under way when the
  // registration goes is not waited for.
  // Errors: NotFound for a handle that names no event, AlreadyExists when the
  // event has such a watcher.
  absl::StatusOr<RegistrationPtr> Watch(EventHandle event, Watcher watcher,
                                        Callback callback);

  // Faults. An event is full (Outcome::kFull) when it holds `limit` signals;
  // with 0 it always is, while nobody watches it.
  void SetLimit(EventHandle event, uint64_t limit);
  // From now on signals fail (Outcome::kFailed) and reach nobody.
  void Break(EventHandle event);

 private:
  friend class EventNotifier;
  friend class Router;
  struct State;

  // What the log says of a watcher.
  struct Entries {
    Entry added;
    Entry removed;
  };

  // Watch() in two steps: the watcher, then what was held.
  absl::StatusOr<RegistrationPtr> AddWatcher(
      EventHandle event, Watcher watcher, Callback callback,
      const std::optional<Entries>& entries);
  void FireHeld(EventHandle event);
  Log* log() const;

  std::shared_ptr<State> state_;
};

// Signals an event. It may outlive the events; signals fail then.
class EventNotifier final : public Notifier {
 public:
  // Whether the notifier tells which event it signals, so that a doorbell may
  // be bound to it.
  enum class Exposure : uint8_t { kShown, kHidden };

  EventNotifier(const Events& events, EventHandle event,
                Exposure exposure = Exposure::kShown)
      : state_(events.state_), event_(event), exposure_(exposure) {}

  Outcome Signal() noexcept override;
  EventHandle event() const noexcept override {
    return exposure_ == Exposure::kShown ? event_ : EventHandle{};
  }
  bool TakeSignals() noexcept override;

 private:
  const std::weak_ptr<Events::State> state_;
  const EventHandle event_;
  const Exposure exposure_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_EVENTS_H_
