// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_SCRIPT_RANDOM_H_
#define IVSHMEM_SCRIPT_RANDOM_H_

#include <array>
#include <cstdint>
#include <functional>

#include "proto/script.pb.h"
#include "script/kinds.h"
#include "script/worlds.h"

namespace ivshmem::script {

struct RandomOptions {
  int world = 0;  // Index into Worlds().
  Stage stage = Stage::kPeers;
  int steps = 100;  // After the set-up's.
  // How often each Kind happens, relative to the others.
  std::array<int, kKinds> weights = EqualWeights();
  // Which steps are wanted; others are drawn again, a few times.
  std::function<bool(const Step&)> wanted;

  int& weight(Kind kind) { return weights[static_cast<size_t>(kind)]; }

  static constexpr std::array<int, kKinds> EqualWeights() {
    std::array<int, kKinds> weights = {};
    weights.fill(1);
    return weights;
  }
};

// The Script of that seed, the same on every machine. It has a byte form
// (bytes.h).
Script RandomScript(uint64_t seed, const RandomOptions& options);

}  // namespace ivshmem::script

#endif  // IVSHMEM_SCRIPT_RANDOM_H_
