// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_CONFORMANCE_STEPS_H_
#define IVSHMEM_TESTING_CONFORMANCE_STEPS_H_

#include <memory>

#include "proto/config.pb.h"
#include "proto/script.pb.h"
#include "rapidcheck.h"
#include "testing/conformance/model/world.h"

namespace ivshmem::conformance {

// Any step of `world`, more often one that hits something: what is aimed at are
// registers, entries of the table, BARs and peers that may be there, and what
// lies just beside them; and now and then it is what a driver would have to do
// next, in the state of `model`, for its device to work. Whether the world has
// room for it at that moment is for the model to say. All numbers shrink.
rc::Gen<script::Step> AnyStep(std::shared_ptr<const config::World> world,
                              const WorldModel& model);

}  // namespace ivshmem::conformance

#endif  // IVSHMEM_TESTING_CONFORMANCE_STEPS_H_
