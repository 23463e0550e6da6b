// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_FUZZED_SCRIPT_H_
#define IVSHMEM_FUZZ_FUZZED_SCRIPT_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/acceleration.h"

namespace ivshmem::script {

// Whether a guest of that world cannot tell that there are these short cuts.
bool AreUnseen(Acceleration short_cuts, const config::World& world);

// What a fuzz target plays.
struct FuzzedScript {
  Script script;
  Acceleration short_cuts;
};

// Which steps a target plays.
using StepFilter = bool (*)(const Step&);

// Of the target that has that name: "config_msix", "registers", "world". Null
// for others.
StepFilter StepFilterOf(absl::string_view target);

// Those steps of the Script that `bytes` are. The short cuts follow from the
// bytes, too.
FuzzedScript DecodeFuzzed(absl::Span<const uint8_t> bytes, StepFilter wanted);

}  // namespace ivshmem::script

#endif  // IVSHMEM_FUZZ_FUZZED_SCRIPT_H_
