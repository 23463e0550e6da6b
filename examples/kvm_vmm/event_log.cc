// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "examples/kvm_vmm/event_log.h"

#include <iostream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace ivshmem::kvm_vmm {
namespace {

constexpr int kLinesASecond = 50;

}  // namespace

void Say(absl::string_view line) {
  std::cerr << absl::StrCat("kvm_vmm: ", line, "\n");
}

void EventLog::OnLinkEvent(const LinkEvent& event) noexcept {
  switch (event.kind) {
    // What a guest cannot follow.
    case LinkEvent::Kind::kIdChanged:
      Say(absl::StrFormat("the server gave another id, %d instead of %d",
                          event.peer, event.old_peer));
      return;
    case LinkEvent::Kind::kMemoryChanged:
      Say("the server has another memory now; the guest keeps the one it has");
      return;
    case LinkEvent::Kind::kJoined:
      Note(absl::StrFormat("joined as peer %d", event.peer));
      return;
    case LinkEvent::Kind::kRejoined:
      Note(absl::StrFormat("joined again as peer %d", event.peer));
      return;
    case LinkEvent::Kind::kPeersKnown:
      Note("all peers are known");
      return;
    case LinkEvent::Kind::kPeerJoined:
      Note(absl::StrFormat("peer %d joined", event.peer));
      return;
    case LinkEvent::Kind::kPeerLeft:
      Note(absl::StrFormat("peer %d left", event.peer));
      return;
    case LinkEvent::Kind::kFailed:
      Note(absl::StrCat("could not join: ", event.text));
      return;
    case LinkEvent::Kind::kLost:
      Note(absl::StrCat("the server is lost: ", event.text));
      return;
    default:
      Note(event.text);
      return;
  }
}

void EventLog::OnEvent(const DeviceEvent& event) noexcept {
  switch (event.kind) {
    case DeviceEvent::Kind::kMapFailed:
      Note(absl::StrFormat("the BAR at %#x cannot be shown: %s", event.address,
                           event.text));
      return;
    case DeviceEvent::Kind::kDoorbellNotAccelerated:
      Note(absl::StrFormat("no ioeventfd for peer %d vector %d: %s",
                           event.doorbell.peer, event.doorbell.vector,
                           event.text));
      return;
    case DeviceEvent::Kind::kInterruptNotRouted:
      Note(absl::StrFormat("no irqfd for vector %d: %s", event.doorbell.vector,
                           event.text));
      return;
    case DeviceEvent::Kind::kWarning:
      Note(event.text);
      return;
    default:
      return;  // Each ring and each interrupt: too many.
  }
}

void EventLog::Note(absl::string_view line) {
  if (!verbose_) return;
  {
    const absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    if (now - second_ >= absl::Seconds(1)) {
      second_ = now;
      lines_ = 0;
    }
    if (++lines_ > kLinesASecond) return;
  }
  Say(line);
}

}  // namespace ivshmem::kvm_vmm
