// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_FUZZ_JUDGED_PLAY_H_
#define IVSHMEM_FUZZ_JUDGED_PLAY_H_

#include "proto/script.pb.h"
#include "script/acceleration.h"

namespace ivshmem::script {

// Plays `script`, whose world is one of Worlds() (script/worlds.h), on the
// library's devices, twice: all trapped, and with short cuts. Ends the process,
// with the Script up to there printed, where the two differ, or where after a
// step
//   - a bit of config space is not what it was that no guest can change,
//   - a vector control is not what was written to it,
//   - a message came of a device whose MSI-X is off,
//   - a line is not at the level of Status and Mask,
//   - somebody was rung by a step that rings nobody.
void JudgedPlay(const Script& script, Acceleration short_cuts);

}  // namespace ivshmem::script

#endif  // IVSHMEM_FUZZ_JUDGED_PLAY_H_
