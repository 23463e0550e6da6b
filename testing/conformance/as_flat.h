// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_AS_FLAT_H_
#define IVSHMEM_TESTING_CONFORMANCE_AS_FLAT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/subject.h"

namespace ivshmem::conformance {

// `world`, whose first device is a flat one, with a PCI device in its place,
// whose driver has everything on. A message of that device is told as a pulse.
// Errors: Unimplemented for a flat device without a line, which is none that
// could be compared.
absl::StatusOr<std::unique_ptr<script::Subject>> MakeAsFlat(
    const config::World& world);

// Whether `step` is of another device, or one that PCI and flat devices define
// alike: the doorbell and IVPosition, the memory, peers, ids and the link.
bool InBoth(const script::Step& step);

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_AS_FLAT_H_
