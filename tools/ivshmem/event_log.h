// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_EVENT_LOG_H_
#define IVSHMEM_TOOLS_IVSHMEM_EVENT_LOG_H_

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/events.h"

namespace ivshmem::tool {

// A line on standard error, "ivshmem server: ...".
void Say(absl::string_view line);

// Says what happens in a server: with `verbose` who comes and goes, and always
// what does not work, though not the same thing more than once in ten seconds.
//
// Threading: one thread.
class EventLog : public server::ServerEvents {
 public:
  explicit EventLog(bool verbose) : verbose_(verbose) {}

  void OnJoined(PeerId peer, const Credentials& who) override;
  void OnLeft(PeerId peer, const Credentials& who,
              server::Departure why) override;
  void OnAway(PeerId peer, const Credentials& who) override;
  void OnReturned(PeerId peer, const Credentials& who) override;
  void OnRefused(const Credentials& who, server::Refusal why) override;
  void OnTrouble(const absl::Status& trouble) override;

 private:
  const bool verbose_;
  absl::Status last_trouble_;
  absl::Time last_said_ = absl::InfinitePast();
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_EVENT_LOG_H_
