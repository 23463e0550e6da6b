// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any program of signals, watches that come, change and go, and work, much of
// it done from inside handlers, is told what it waits for: no more, no less,
// and once a Dispatch().

#include <poll.h>
#include <sys/epoll.h>

#include <array>
#include <cstdint>
#include <memory>
#include <ostream>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem {
namespace {

constexpr int kSlots = 3;

struct Action {
  enum Kind {
    kSignal,
    kDrain,
    kWatch,
    kUnwatch,
    kSetEvents,
    // Does `then` when the slot's handler runs next, or as work.
    kArm,
    kWork,
    kDispatch,
    kCount,
  };
  Kind kind;
  int slot;
  uint32_t events;
  std::vector<Action> then;
};

std::ostream& operator<<(std::ostream& out, const Action& action) {
  static constexpr std::array kNames = {"Signal",  "Drain",     "Watch",
                                        "Unwatch", "SetEvents", "Arm",
                                        "Work",    "Dispatch"};
  out << kNames[action.kind] << '(' << action.slot << ", " << action.events;
  for (const Action& then : action.then) out << ", " << then;
  return out << ')';
}

rc::Gen<Action> AnyAction(int depth) {
  // Only the test itself dispatches, and what is armed arms nothing.
  const size_t nested = depth > 0 ? 1 : 0;
  const auto kind =
      rc::gen::weightedElement<Action::Kind>({{3, Action::kSignal},
                                              {1, Action::kDrain},
                                              {4, Action::kWatch},
                                              {1, Action::kUnwatch},
                                              {3, Action::kSetEvents},
                                              {5 * nested, Action::kArm},
                                              {2 * nested, Action::kWork},
                                              {3 * nested, Action::kDispatch}});
  const auto then = depth > 0 ? rc::gen::container<std::vector<Action>>(
                                    rc::gen::lazy([] { return AnyAction(0); }))
                              : rc::gen::just(std::vector<Action>());
  return rc::gen::construct<Action>(
      kind, rc::gen::inRange(0, kSlots),
      rc::gen::element<uint32_t>(0, EPOLLIN, EPOLLOUT, EPOLLIN | EPOLLOUT),
      then);
}

// Does the actions, and knows what must come of them.
class Player {
 public:
  void Do(const Action& action) {
    Slot& slot = slots_[action.slot];
    switch (action.kind) {
      case Action::kSignal:
        slot.event->Signal();
        slot.signalled = true;
        return;
      case Action::kDrain:
        RC_ASSERT(slot.event->Drain() == slot.signalled);
        slot.signalled = false;
        return;
      case Action::kWatch:
        return Watch(action.slot, action.events);
      case Action::kUnwatch:
        slot.touched = true;
        slot.watch.reset();
        return;
      case Action::kSetEvents:
        if (slot.watch == nullptr) return;
        slot.touched = true;
        slot.events = action.events;
        slot.watch->SetEvents(action.events);
        return;
      case Action::kArm:
        slot.armed = action.then;
        return;
      case Action::kWork:
        return Work(action.then);
      case Action::kDispatch:
      case Action::kCount:
        return Dispatch();
    }
  }

  void Dispatch() {
    for (Slot& slot : slots_) {
      slot.ready_before = Ready(slot);
      slot.touched = false;
      slot.ran = false;
    }
    ran_ = 0;
    const int64_t work_given = work_given_;
    const int returned = loop_->Dispatch(absl::ZeroDuration());
    RC_ASSERT(returned == ran_);
    RC_ASSERT(work_done_ == work_given);
    bool more = work_given_ > work_done_;
    for (const Slot& slot : slots_) {
      if (!slot.touched) RC_ASSERT(slot.ran == (slot.ready_before != 0));
      more |= Ready(slot) != 0;
    }
    pollfd entry = {.fd = loop_->fd(), .events = POLLIN};
    RC_ASSERT((poll(&entry, 1, 0) == 1) == more);
  }

 private:
  struct Slot {
    std::shared_ptr<EventFd> event = *EventFd::Create();
    bool signalled = false;
    std::unique_ptr<EventLoop::Watch> watch;
    uint32_t events = 0;
    int number = 0;  // Of the watch.
    std::vector<Action> armed;

    // In this Dispatch():
    uint32_t ready_before = 0;
    bool touched = false;
    bool ran = false;
  };

  static uint32_t Ready(const Slot& slot) {
    if (slot.watch == nullptr) return 0;
    return slot.events & (slot.signalled ? EPOLLIN | EPOLLOUT : EPOLLOUT);
  }

  void Watch(int index, uint32_t events) {
    Slot& slot = slots_[index];
    slot.touched = true;
    const int number = ++last_watch_;
    auto watch = loop_->NewWatch(
        slot.event->fd(), events,
        [this, index, number](uint32_t told) { Told(index, number, told); });
    // One at a time.
    RC_ASSERT(watch.ok() == (slot.watch == nullptr));
    if (!watch.ok()) return;
    slot.watch = *std::move(watch);
    slot.events = events;
    slot.number = number;
  }

  void Told(int index, int number, uint32_t told) {
    Slot& slot = slots_[index];
    ++ran_;
    RC_ASSERT(slot.watch != nullptr);
    RC_ASSERT(slot.number == number);
    RC_ASSERT(!slot.ran);
    RC_ASSERT(told != 0U);
    RC_ASSERT((told & ~slot.events) == 0U);
    RC_ASSERT((told & ~slot.ready_before) == 0U);
    slot.ran = true;
    for (const Action& action : std::exchange(slot.armed, {})) Do(action);
  }

  void Work(const std::vector<Action>& then) {
    loop_->Run([this, then, number = work_given_++] {
      ++ran_;
      RC_ASSERT(work_done_++ == number);
      for (const Action& action : then) Do(action);
    });
  }

  std::unique_ptr<EventLoop> loop_ = *EventLoop::Create();
  std::array<Slot, kSlots> slots_;
  int last_watch_ = 0;
  int64_t work_given_ = 0;
  int64_t work_done_ = 0;
  int ran_ = 0;
};

RC_GTEST_PROP(EventLoopModelTest, TellsWhatIsWaitedFor, ()) {
  const auto actions = *rc::gen::scale(
      1.4, rc::gen::container<std::vector<Action>>(AnyAction(1)));
  Player player;
  for (const Action& action : actions) player.Do(action);
  player.Dispatch();
}

}  // namespace
}  // namespace ivshmem
