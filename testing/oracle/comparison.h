// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_ORACLE_COMPARISON_H_
#define IVSHMEM_TESTING_ORACLE_COMPARISON_H_

#include <array>
#include <map>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "proto/script.pb.h"
#include "script/acceleration.h"
#include "script/kinds.h"
#include "testing/oracle/known_differences.h"

namespace ivshmem::qemu {

// Both sides' ways of doing the same, which make no difference.
struct Ways {
  bool ioeventfd = true;
  script::Acceleration acceleration = script::Acceleration::kNone;
};

// What was played and seen, over many Scripts.
struct Tally {
  int operations = 0;  // Done on both.
  // What these led to on QEMU.
  int rings = 0;
  int messages = 0;
  std::array<int, script::kKinds> of_kind = {};
  std::map<absl::string_view, int> differences;  // By KnownDifference::name.
};

// The first difference that is not listed.
struct Surprise {
  int step = 0;  // Index into the Script's.
  std::string what;
};

// Plays `script` on QEMU and on the library, each of them new, and compares
// step by step. A step that QEMU's subject does not have is left out on both.
// After a known difference that lasts, both are reset and set up anew. Errors:
// a subject's failure.
absl::StatusOr<std::optional<Surprise>> Compare(const script::Script& script,
                                                const Ways& ways, Tally& tally);

// Plays the example of `known`, without setting anything up anew. Result: that
// it shows the difference at its last step, and the table finds it in time.
absl::Status Shows(const KnownDifference& known);

// A small Script that has a surprise, made from one that has.
script::Script Least(const script::Script& script, const Ways& ways);

}  // namespace ivshmem::qemu

#endif  // IVSHMEM_TESTING_ORACLE_COMPARISON_H_
