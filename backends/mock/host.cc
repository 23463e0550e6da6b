// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/mock/host.h"

namespace ivshmem::mock {

Host::Host(const Options& options)
    : log_(options.keep),
      msi_(&log_, options.keep),
      line_(&log_, 0, options.keep),
      pulse_(&log_, 0, options.keep),
      events_(&log_),
      accelerator_(&events_, {.miss_policy = options.miss_policy,
                              .capacity = options.doorbell_capacity,
                              .log = &log_,
                              .faults = &faults_}),
      router_(&events_, &msi_,
              {.capacity = options.route_capacity, .faults = &faults_}),
      space_({.spanning = options.spanning,
              .accelerator = &accelerator_,
              .log = &log_,
              .faults = &faults_}) {}

}  // namespace ivshmem::mock
