// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CORE_PROTOCOL_ROSTER_MODEL_H_
#define IVSHMEM_CORE_PROTOCOL_ROSTER_MODEL_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <ostream>
#include <vector>

#include "absl/status/status.h"
#include "core/doorbell.h"
#include "core/protocol/client.h"
#include "core/protocol/roster.h"

namespace ivshmem::protocol {

// One step of a program for a roster.
struct RosterStep {
  enum class Kind : uint8_t { kJoin, kLeave, kReturn, kSend, kSettle };

  Kind kind = Kind::kSettle;
  PeerId id = 0;
  // Of kSend: so many messages are asked for, and so many of all that `id` is
  // owed are sent.
  size_t room = 0;
  size_t sent = 0;

  friend std::ostream& operator<<(std::ostream& out, const RosterStep& step);
};

// A roster beside a naive model of it, for tests: the model keeps what each
// client was told in full, works out anew each time what it has still to be
// told, and lets a protocol::Client read it. Slow; the simpler the better.
class RosterModel {
 public:
  explicit RosterModel(int vectors) : vectors_(vectors), roster_(vectors) {}

  // Does the step to roster and model; the error says what differs.
  absl::Status Do(const RosterStep& step);

 private:
  using Life = uint64_t;  // Each client that ever came has its own, from 1.

  struct Told {
    Life life;
    int vectors;

    friend bool operator==(const Told&, const Told&) = default;
  };

  // A client as it sees the world.
  struct View {
    Client client;
    int greeting = 0;   // Messages of it.
    uint64_t came = 0;  // How many changes there had been.
    std::map<PeerId, Told> told;
  };

  absl::Status Join(PeerId id);
  absl::Status Leave(PeerId id);
  absl::Status Return(PeerId id);
  absl::Status Send(PeerId id, size_t room, size_t sent);
  absl::Status Settle();
  absl::Status Read(PeerId id, View& view, const Outgoing& message);
  absl::Status Check() const;

  void Change(PeerId id);
  std::vector<Outgoing> Expected(PeerId id) const;
  size_t ExpectedToBeRemembered() const;

  const int vectors_;
  Roster roster_;
  Life last_life_ = 0;
  std::map<PeerId, Life> there_;
  std::map<PeerId, View> views_;
  std::vector<PeerId> changes_;  // Each id that ever was, by its last change.
  std::map<PeerId, uint64_t> changed_;  // The number of that change.
  uint64_t last_change_ = 0;
};

}  // namespace ivshmem::protocol

#endif  // IVSHMEM_CORE_PROTOCOL_ROSTER_MODEL_H_
