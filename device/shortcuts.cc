// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/shortcuts.h"

#include <limits>
#include <utility>

#include "absl/strings/string_view.h"

namespace ivshmem {
namespace {

constexpr int kAll = std::numeric_limits<int>::max();

void Warn(DeviceEvents* events, absl::string_view text) noexcept {
  if (events == nullptr) return;
  events->OnEvent({.kind = DeviceEvent::Kind::kWarning, .text = text});
}

}  // namespace

AllowedShortcuts Allowed(const Limits& limits, DoorbellAccelerator* doorbells,
                         IrqRouter* router, DeviceEvents* events) noexcept {
  AllowedShortcuts allowed = {.doorbells = doorbells, .router = router};
  if (limits.rings.limited() && doorbells != nullptr) {
    allowed.doorbells = nullptr;
    Warn(events, "rings are limited: all doorbells are trapped");
  }
  if (limits.interrupts.limited() && router != nullptr) {
    allowed.router = nullptr;
    Warn(events, "interrupts are limited: no vector is routed");
  }
  return allowed;
}

Shortcuts::Shortcuts(Device& device, Config config)
    : config_(std::move(config)),
      self_(std::make_shared<Revocable<Shortcuts>>(*this)) {
  if (config_.doorbells != nullptr) {
    doorbells_.emplace(device, *config_.doorbells, config_.events);
    offered_ = kDoorbells | kPlace | kTurn;
  }
  if (config_.router != nullptr && config_.msix != nullptr) {
    routes_.emplace(device, *config_.msix, *config_.router, config_.events);
    offered_ |= kRoutes;
  }
  if (config_.trapped_rings != nullptr) {
    config_.trapped_rings->OnDue([self = self_] {
      self->With([](Shortcuts& shortcuts) { shortcuts.Update(kTurn); });
    });
  }
}

Shortcuts::~Shortcuts() { self_->Revoke(); }

void Shortcuts::Update(Work work) noexcept {
  work &= offered_;
  if (work == 0) return;
  changed_.fetch_or(work);
  if (config_.executor == nullptr) {
    settler_.Kick([this] {
      TakeDown(kAll);
      Add();
    });
    return;
  }
  if ((work & ~kLater) != 0) settler_.Kick([this] { TakeDown(kAtOnce); });
  // Only now: a round of Add() that came while this thread was at work was
  // turned away.
  AddLater();
}

void Shortcuts::AddLater() {
  // One piece of work in the queue is enough, however often a guest changes
  // things.
  if (queued_.exchange(true)) return;
  config_.executor->Run([self = self_] {
    self->With([](Shortcuts& shortcuts) {
      shortcuts.queued_ = false;
      shortcuts.settler_.Kick([&shortcuts] {
        shortcuts.TakeDown(kAll);
        shortcuts.Add();
      });
    });
  });
}

void Shortcuts::TakeDown(int most) {
  // Before the state is looked at: what changes after this comes again.
  const Work changed = changed_.exchange(0);
  to_add_ |= changed;
  // What an earlier round has left is the executor's.
  const Work due = most == kAll ? to_add_ : changed;
  if ((due & kDoorbells) != 0) {
    doorbells_->TakeDown(config_.doorbell_address(), most);
  }
  if ((changed & kRoutes) != 0) routes_->TakeDown();
}

void Shortcuts::Add() {
  const Work work = std::exchange(to_add_, 0);
  if ((work & kRoutes) != 0) routes_->Add();
  if (!doorbells_.has_value()) return;
  const std::optional<uint64_t> address = config_.doorbell_address();
  if ((work & (kDoorbells | kPlace)) != 0) {
    doorbells_->Add(address, [this] { return settler_.stale(); });
    // What it broke off goes on in the next round.
    if (settler_.stale()) to_add_ = kDoorbells;
  }
  if (config_.trapped_rings == nullptr) return;
  if (const auto due = config_.trapped_rings->TakeDue()) {
    doorbells_->TakeTurn(address, *due);
  }
  config_.trapped_rings->Watch(doorbells_->crowded());
}

}  // namespace ivshmem
