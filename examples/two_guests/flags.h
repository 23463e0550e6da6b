// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_TWO_GUESTS_FLAGS_H_
#define IVSHMEM_EXAMPLES_TWO_GUESTS_FLAGS_H_

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "examples/two_guests/engine.h"
#include "examples/two_guests/vmm.h"

namespace ivshmem::two_guests {

struct Flags {
  VmmConfig
      vmm;  // But for the engine: whether the wish can be met is not known.
  EngineWish engine = EngineWish::kAuto;
  bool trace = false;
  std::optional<std::string> record;  // Where to.
  // --help was given: what to print, and nothing else to do.
  std::optional<std::string> help;
};

// Errors: InvalidArgument, in one line: the flag, what was expected, what came.
absl::StatusOr<Flags> ParseFlags(int argc, const char* const* argv);

}  // namespace ivshmem::two_guests

#endif  // IVSHMEM_EXAMPLES_TWO_GUESTS_FLAGS_H_
