// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_BYTES_H_
#define IVSHMEM_SCRIPT_BYTES_H_

#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "proto/script.pb.h"

// Scripts as bytes, for fuzzers:
//
//   0     world: one of Worlds()
//   1     set-up: one of Stage
//   2...  one Record (record.h) of 8 bytes for each step after the set-up's
//
// One byte changed changes one step, or the world and how each step fits it.
namespace ivshmem::script {

// What Decode() takes from the bytes at most, beside the set-up.
inline constexpr int kMostSteps = 1000;

// Any bytes are a Script: each of its steps names what there is in its world,
// and says nothing of what it should come to. Bytes that are no whole Record,
// or come after kMostSteps, are ignored.
Script Decode(absl::Span<const uint8_t> bytes);

// Decode(Encode(script)) == script for a Script that Decode() gives. Another
// becomes one like it, without what the bytes cannot say: its world the first
// one with such devices, no expectations.
std::vector<uint8_t> Encode(const Script& script);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_BYTES_H_
