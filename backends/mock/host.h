// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_MOCK_HOST_H_
#define IVSHMEM_BACKENDS_MOCK_HOST_H_

#include <cstddef>

#include "backends/doorbell_accelerator.h"
#include "backends/mock/accelerator.h"
#include "backends/mock/address_space.h"
#include "backends/mock/events.h"
#include "backends/mock/executor.h"
#include "backends/mock/faults.h"
#include "backends/mock/log.h"
#include "backends/mock/recorders.h"
#include "backends/mock/router.h"
#include "backends/mock/timers.h"

namespace ivshmem::mock {

// A whole host in memory, for tests of devices and of the VMMs that embed them:
// the guest's addresses, a doorbell accelerator, interrupt routes, time, sinks
// that record, and faults on demand. Each part may be used without the others.
//
//   mock::Host host;
//   auto claim = host.space().Claim(0x1000, 0x100, device);
//   host.faults().FailNth(Operation::kMap, 1, absl::InternalError("no slot"));
//   host.space().Write32(0x100c, 0x10000);
//   EXPECT_THAT(host.log().Take(), ElementsAre(...));
//
// One thread that uses it sees the same each time: nothing here depends on
// time, addresses or hashing, and nothing happens of its own accord.
//
// Threading: any thread; see each part. Registrations and notifiers may outlive
// the host. All else, accesses under way included, ends before it.
class Host {
 public:
  struct Options {
    AddressSpace::Spanning spanning = AddressSpace::Spanning::kSplit;
    DoorbellAccelerator::MissPolicy miss_policy =
        DoorbellAccelerator::MissPolicy::kFallsThrough;
    size_t doorbell_capacity = kUnlimited;
    size_t route_capacity = kUnlimited;
    // How many entries the log and each recorder keep; later ones are counted.
    size_t keep = kUnlimited;
  };

  Host() : Host(Options{}) {}
  explicit Host(const Options& options);

  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  Faults& faults() { return faults_; }
  Log& log() { return log_; }
  AddressSpace& space() { return space_; }
  Events& events() { return events_; }
  Accelerator& accelerator() { return accelerator_; }
  Router& router() { return router_; }
  Executor& executor() { return executor_; }
  Timers& timers() { return timers_; }  // Also the clock.
  MsiRecorder& msi() { return msi_; }
  // Line 0. A host of several devices makes further recorders with log().
  LineRecorder& line() { return line_; }
  PulseRecorder& pulse() { return pulse_; }

 private:
  Faults faults_;
  Log log_;
  MsiRecorder msi_;
  LineRecorder line_;
  PulseRecorder pulse_;
  Events events_;
  Accelerator accelerator_;
  Router router_;
  AddressSpace space_;
  Executor executor_;
  Timers timers_;
};

}  // namespace ivshmem::mock

#endif  // IVSHMEM_BACKENDS_MOCK_HOST_H_
