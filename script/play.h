// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_PLAY_H_
#define IVSHMEM_SCRIPT_PLAY_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "proto/script.pb.h"
#include "script/subject.h"

namespace ivshmem::script {

// What tells `got` from `expected`, on one line; empty when nothing does.
// Effects have no order.
std::string Difference(const Outcome& expected, const Outcome& got);

// Plays `script` on `subject`, which is new and of its world, as far as the
// first thing that goes wrong. Errors, on one line:
// - InvalidArgument: the Script is wrong by itself (check.h); nothing is played
//   then.
// - FailedPrecondition: an outcome is another than the Script says. It names
//   the step's number, the step in words, what was expected and what came.
// - The subject's own, with the step's number and the step in words.
absl::Status Play(const Script& script, Subject& subject);

// Plays `script` and gives it back with what came of each step; what it said of
// that before counts for nothing, but for `of_bits`. Errors: as Play()'s.
absl::StatusOr<Script> Record(const Script& script, Subject& subject);

// How a step and what it comes to fit together, for players of other kinds.

// What `step` of `script` says of its outcome, with every device named. Where
// it says nothing, neither `gives` nor effects count: see Known().
Outcome Expected(const Script& script, const Step& step);

// That part of `got` of which `step` says something.
Outcome Known(const Step& step, const Outcome& got);

// Writes `got` into `step` of `script`.
void Fill(const Script& script, const Outcome& got, Step& step);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_PLAY_H_
