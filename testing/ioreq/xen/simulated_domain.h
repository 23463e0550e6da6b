// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_XEN_SIMULATED_DOMAIN_H_
#define IVSHMEM_TESTING_IOREQ_XEN_SIMULATED_DOMAIN_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/xen/hypervisor.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "testing/ioreq/xen/shared_area.h"
#include "testing/ioreq/xen/wire.h"
#include "testing/process.h"

namespace ivshmem {

// A domain of a Xen that is simulated in a process of its own: its pages of
// requests, its event channels, and its vCPUs, which do what a test says. That
// process watches whether everybody keeps to Xen's rules.
//
// Threading: any thread; calls of one vCPU wait for each other.
class SimulatedDomain {
 public:
  // Starts it with 1 to 128 vCPUs. Errors: what the kernel says.
  static absl::StatusOr<std::unique_ptr<SimulatedDomain>> Start(int vcpus);

  // What a program gets that opens Xen's libraries for the domain: event
  // channels of its own. At most 16 times. The domain outlives it.
  std::unique_ptr<xen::Hypervisor> Open();

  int vcpus() const { return vcpus_; }

  // A command for the other process, and what it answers; -EIO when it is gone.
  // Those of a vCPU (kAccess, kStorm) may take long; others go past them.
  xen_simulation::Reply Call(const xen_simulation::Command& command);

  // What went against the rules since the start, one to a line. While no vCPU
  // is at work.
  std::string Violations();

  // A frame of RAM, in this process.
  uint8_t* frame(uint64_t number) { return area_->ram[number]; }
  xen_simulation::SharedArea& area() { return *area_; }

 private:
  class Handle;
  struct Line {
    UniqueFd socket;
    absl::Mutex mutex;
  };

  SimulatedDomain(MemoryObject object, MappedMemory mapped, int vcpus)
      : vcpus_(vcpus), object_(std::move(object)), mapped_(std::move(mapped)) {}

  // Opens a line; returns the other end of it.
  absl::StatusOr<UniqueFd> AddLine();

  const int vcpus_;
  const MemoryObject object_;
  const MappedMemory mapped_;
  xen_simulation::SharedArea* const area_ =
      reinterpret_cast<xen_simulation::SharedArea*>(mapped_.view().data);
  std::vector<std::shared_ptr<EventFd>> events_;
  std::vector<std::unique_ptr<Line>> lines_;  // Hypercalls, then the vCPUs.
  std::unique_ptr<Process> process_;

  absl::Mutex mutex_;
  int opened_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_IOREQ_XEN_SIMULATED_DOMAIN_H_
