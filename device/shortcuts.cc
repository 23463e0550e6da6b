// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "device/shortcuts.h"

#include <utility>

namespace ivshmem {

Shortcuts::Shortcuts(Device& device, Config config)
    : config_(std::move(config)),
      self_(std::make_shared<Revocable<Shortcuts>>(*this)) {
  if (config_.doorbells != nullptr) {
    doorbells_.emplace(device, *config_.doorbells, config_.events);
  }
  if (config_.router != nullptr && config_.msix != nullptr) {
    routes_.emplace(device, *config_.msix, *config_.router, config_.events);
  }
}

Shortcuts::~Shortcuts() { self_->Revoke(); }

void Shortcuts::Update() noexcept {
  if (!doorbells_.has_value() && !routes_.has_value()) return;
  if (config_.executor == nullptr) {
    settler_.Kick([this] {
      TakeDown();
      Add();
    });
    return;
  }
  settler_.Kick([this] { TakeDown(); });
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
        shortcuts.TakeDown();
        shortcuts.Add();
      });
    });
  });
}

void Shortcuts::TakeDown() {
  if (doorbells_.has_value()) doorbells_->TakeDown(config_.doorbell_address());
  if (routes_.has_value()) routes_->TakeDown();
}

void Shortcuts::Add() {
  const auto stale = [this] { return settler_.stale(); };
  if (doorbells_.has_value()) {
    doorbells_->Add(config_.doorbell_address(), stale);
  }
  if (routes_.has_value()) routes_->Add(stale);
}

}  // namespace ivshmem
