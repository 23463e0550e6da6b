// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_PROGRAM_H_
#define IVSHMEM_TESTING_CONFORMANCE_PROGRAM_H_

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/kinds.h"
#include "script/subject.h"
#include "testing/conformance/settings.h"

namespace ivshmem::conformance {

// What the steps of random programs came to, so that a test can see that it did
// not only hit air.
struct Tally {
  int64_t operations = 0;
  std::array<int64_t, script::kKinds> kinds = {};
  int64_t rings = 0;
  int64_t messages = 0;
  int64_t lines = 0;
  int64_t pulses = 0;

  void Count(const script::Step& step, const script::Outcome& outcome);
};

// Two subjects of one world that are to come to the same.
struct Pair {
  std::unique_ptr<script::Subject> expected;
  std::unique_ptr<script::Subject> got;
};
// Errors: Unimplemented for a world that is not to be tried.
using MakePair = std::function<absl::StatusOr<Pair>(const config::World&)>;

// Runs random programs (rc::state) of at least `operations` steps in all on the
// pairs that `make` makes. False when a program was found on which the two
// differ; the smallest that was found is on stderr as a Script, for `ivshmem
// replay`. `but` says of which steps nothing is expected, and they are not
// made.
bool Agree(Setting setting, int64_t operations, const MakePair& make,
           Tally& tally,
           const std::function<bool(const script::Step&)>& but = nullptr);

// How many operations: `in_ci`, or a hundred times as many with --config=long.
int64_t Operations(int64_t in_ci);

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_PROGRAM_H_
