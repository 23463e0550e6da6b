// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_WAYS_TRAPPED_SUBJECT_H_
#define IVSHMEM_TESTING_WAYS_TRAPPED_SUBJECT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "proto/config.pb.h"
#include "script/subject.h"
#include "testing/ways/way_out.h"

namespace ivshmem {

// A world of one device, PCI or flat, all of whose accesses get out of a real
// or simulated guest that way. PCI devices are device 3, whatever their slot.
//
// What a guest cannot do is Unimplemented: accesses of other sizes than 1, 2, 4
// and 8, unaligned ones and ones of 8 bytes of config space. So are those that
// may cross the end of a range, which hosts handle differently, and what one
// platform has and another has not: accesses of RAM, of ECAM and of interrupt
// controllers. And steps of ids, of the link, of plugging, and of saving.
//
// Errors: of the world, and Unimplemented for several devices.
absl::StatusOr<std::unique_ptr<script::Subject>> MakeTrappedSubject(
    const config::World& world, std::unique_ptr<WayOut> way);

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_WAYS_TRAPPED_SUBJECT_H_
