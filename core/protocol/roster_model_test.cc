// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Any program of comings, goings and sends of any length: each client is sent
// what a naive model says, and knows exactly who is there once it has read all.

#include "core/protocol/roster_model.h"

#include <cstddef>
#include <limits>
#include <vector>

#include "absl/status/status.h"
#include "core/doorbell.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"

namespace ivshmem::protocol {
namespace {

using Kind = RosterStep::Kind;

rc::Gen<RosterStep> AnyStep() {
  return rc::gen::apply(
      [](Kind kind, PeerId id, size_t room, size_t sent) {
        return RosterStep{kind, id, room, sent};
      },
      rc::gen::weightedElement<Kind>({{6, Kind::kJoin},
                                      {4, Kind::kLeave},
                                      {3, Kind::kReturn},
                                      {12, Kind::kSend},
                                      {1, Kind::kSettle}}),
      rc::gen::element<PeerId>(0, 1, 2, 3, 63, 64, 65535),
      rc::gen::inRange<size_t>(0, 12),
      rc::gen::oneOf(rc::gen::inRange<size_t>(0, 12),
                     rc::gen::element(std::numeric_limits<size_t>::max())));
}

void Run(int vectors, const std::vector<RosterStep>& steps) {
  RosterModel model(vectors);
  for (const RosterStep& step : steps) {
    const absl::Status status = model.Do(step);
    if (!status.ok()) RC_FAIL(status.ToString());
  }
  const absl::Status status = model.Do({.kind = Kind::kSettle});
  if (!status.ok()) RC_FAIL(status.ToString());
}

RC_GTEST_PROP(RosterModel, EachClientIsToldOfTheWorld, ()) {
  const int vectors = *rc::gen::inRange(1, 5);
  Run(vectors, *rc::gen::container<std::vector<RosterStep>>(AnyStep()));
}

}  // namespace
}  // namespace ivshmem::protocol
