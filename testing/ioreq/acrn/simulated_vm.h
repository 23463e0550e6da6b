// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_SIMULATED_VM_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_SIMULATED_VM_H_

// <linux/acrn.h> leaves its inclusion to others.
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/unique_fd.h"
#include "core/shared_memory.h"
#include "testing/ioreq/acrn/wire.h"
#include "testing/process.h"

namespace ivshmem {

// A VM of an ACRN hypervisor that is simulated in a process of its own: its
// page, its /dev/acrn_hsm, and its guest, whose vCPUs do what a test says. That
// process watches whether everybody keeps to the rules of the page.
//
// Threading: any thread; one access of a vCPU at a time.
class SimulatedVm : public acrn::Hsm {
 public:
  // Starts it. Errors: what the kernel says.
  static absl::StatusOr<std::unique_ptr<SimulatedVm>> Start(int vcpus);

  // The page, in this process too.
  acrn_io_request_buffer* page() { return page_; }

  // Hsm: as ioctl(2) of a /dev/acrn_hsm with this VM.
  using acrn::Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override;

  // What the other process maps when `memory` is shown to the guest: `object`
  // outlives the VM.
  void Share(const SharedMemory& memory, const MemoryObject& object);

  // Commands for the other process, and what it answers. Without a process
  // the result is -EIO.
  acrn_simulation::Reply Call(const acrn_simulation::Command& command,
                              int fd = -1);

  // What went against the rules since the start, one to a line. While no vCPU
  // is at work.
  std::string Violations();

 private:
  SimulatedVm(MemoryObject object, MappedMemory mapped, UniqueFd socket)
      : object_(std::move(object)),
        mapped_(std::move(mapped)),
        page_(reinterpret_cast<acrn_io_request_buffer*>(mapped_.view().data)),
        socket_(std::move(socket)) {}

  // A socket to a thread of the other process's: one that is idle, or a new
  // one.
  UniqueFd TakeSocket();
  int DescriptorOf(uint64_t request, const void* argument);

  const MemoryObject object_;
  const MappedMemory mapped_;
  acrn_io_request_buffer* const page_;
  const UniqueFd socket_;
  std::unique_ptr<Process> process_;

  absl::Mutex mutex_;
  std::vector<UniqueFd> idle_ ABSL_GUARDED_BY(mutex_);
  std::list<std::pair<SharedMemory, const MemoryObject*>> shared_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_SIMULATED_VM_H_
