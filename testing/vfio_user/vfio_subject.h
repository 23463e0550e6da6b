// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_VFIO_USER_VFIO_SUBJECT_H_
#define IVSHMEM_TESTING_VFIO_USER_VFIO_SUBJECT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "script/subject.h"

namespace ivshmem {

// A world of one PCI device that is served by vfio-user, and of a VMM that
// shows it to a guest: the VMM keeps the MSI-X table, gives the server an
// eventfd for each vector that is not masked, and places BARs where the guest
// has them.
//
// The table is the VMM's, so nothing of the library's own table shows here. As
// with other ways out of a guest, Unimplemented are accesses that no processor
// makes, ones that may cross the end of a range, and steps of ids, of the link,
// of plugging and of saving.
//
// Errors: of the world, and Unimplemented for several devices, flat ones, INTx,
// memory of less than a page, and guests that may not write it.
absl::StatusOr<std::unique_ptr<script::Subject>> MakeVfioSubject(
    const config::World& world);

// Whether that subject has such a step.
bool IsOfAServedDevice(const script::Step& step);

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_VFIO_USER_VFIO_SUBJECT_H_
