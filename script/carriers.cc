// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "script/carriers.h"

#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/statusor.h"

namespace ivshmem::script {

Carrier::~Carrier() {
  Close();
  carriers_.free_.push_back(event_);
}

Notifier::Outcome Carrier::Signal() noexcept {
  return carriers_.events_.Signal(event_);
}

std::shared_ptr<Carrier> Carriers::Make(mock::Events::Callback read) {
  EventHandle event;
  if (free_.empty()) {
    event = events_.Create();
  } else {
    event = free_.back();
    free_.pop_back();
    events_.Drain(event);
  }
  std::shared_ptr<Carrier> carrier =
      absl::WrapUnique(new Carrier(*this, event));
  absl::StatusOr<RegistrationPtr> reader =
      events_.Watch(event, mock::Events::Watcher::kReader, std::move(read));
  // Cannot fail: the event is there, and nobody else's.
  if (reader.ok()) carrier->reader_ = *std::move(reader);
  return carrier;
}

}  // namespace ivshmem::script
