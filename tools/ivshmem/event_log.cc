// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "tools/ivshmem/event_log.h"

#include <iostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace ivshmem::tool {
namespace {

constexpr absl::Duration kSilence = absl::Seconds(10);

std::string Format(const unix_socket::Credentials& who) {
  return absl::StrFormat("pid %d, uid %d, gid %d", who.pid, who.uid, who.gid);
}

}  // namespace

void Say(absl::string_view line) {
  std::cerr << absl::StrCat("ivshmem server: ", line, "\n");
}

void EventLog::OnJoined(PeerId peer, const Credentials& who) {
  if (!verbose_) return;
  Say(absl::StrFormat("peer %d joined (%s)", peer, Format(who)));
}

void EventLog::OnLeft(PeerId peer, const Credentials& who,
                      server::Departure why) {
  if (!verbose_) return;
  Say(absl::StrFormat("peer %d left: %s (%s)", peer, server::Name(why),
                      Format(who)));
}

void EventLog::OnAway(PeerId peer, const Credentials& who) {
  if (!verbose_) return;
  Say(absl::StrFormat("peer %d is away (%s)", peer, Format(who)));
}

void EventLog::OnReturned(PeerId peer, const Credentials& who) {
  if (!verbose_) return;
  Say(absl::StrFormat("peer %d came back (%s)", peer, Format(who)));
}

void EventLog::OnRefused(const Credentials& who, server::Refusal why) {
  if (!verbose_) return;
  Say(absl::StrFormat("refused: %s (%s)", server::Name(why), Format(who)));
}

void EventLog::OnTrouble(const absl::Status& trouble) {
  const absl::Time now = absl::Now();
  if (trouble == last_trouble_ && now - last_said_ < kSilence) return;
  last_trouble_ = trouble;
  last_said_ = now;
  Say(absl::StrCat("will be tried again: ", trouble.message()));
}

}  // namespace ivshmem::tool
