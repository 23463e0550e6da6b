// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

// Registers and BARs of all dialects: accesses of any size, anywhere, moved
// BARs, and peers that ring. See judged_play.h for what is checked.

#include <cstddef>
#include <cstdint>

#include "fuzz/fuzzed_script.h"
#include "fuzz/judged_play.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace ivshmem::script;  // NOLINT: a file of three lines.
  const FuzzedScript fuzzed =
      DecodeFuzzed({data, size}, StepFilterOf("registers"));
  JudgedPlay(fuzzed.script, fuzzed.short_cuts);
  return 0;
}
