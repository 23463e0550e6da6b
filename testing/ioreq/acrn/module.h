// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_MODULE_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_MODULE_H_

// <linux/acrn.h> leaves its inclusion to others.
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "backends/ioreq/acrn/kernel_half.h"
#include "backends/linux/unique_fd.h"
#include "testing/ioreq/acrn/event_fds.h"
#include "testing/ioreq/acrn/hypervisor.h"
#include "testing/ioreq/acrn/memory_segments.h"

namespace ivshmem::acrn_simulation {

// ACRN's kernel module for one VM: what its ioctls do, on KernelHalf. As in
// Linux
//  - requests are taken over on a thread of the module's, later than the
//  upcall;
//  - ATTACH looks only at requests that were taken over since the client was
//    made, and returns as long as one of them is not finished;
//  - without a client NOTIFY does nothing and says 0; with one it makes any
//  slot
//    COMPLETE;
//  - DESTROY ends a wait, with -ENODEV.
//
// Threading: any thread.
class Module : private acrn::KernelHalf::Hypervisor {
 public:
  Module(acrn_io_request_buffer& page, int vcpus,
         ivshmem::acrn_simulation::Hypervisor& hypervisor);
  ~Module() override;

  // The hypervisor's interrupt.
  void Upcall();

  // ioctl(2): `data` is what its argument points to, `fd` the eventfd or memory
  // that it means.
  int Ioctl(uint64_t request, uint8_t* data, UniqueFd fd);

  void Fail(uint64_t request, int error, uint64_t times);
  uint64_t notified() const;

  EventFds& events() { return events_; }
  MemorySegments& memory() { return memory_; }

 private:
  int Attach();
  int Notify(const acrn_ioreq_notify& notify);
  void TakeOver();

  // KernelHalf::Hypervisor
  void RequestFinished(int slot) noexcept override {
    hypervisor_.NotifyFinished(slot);
  }

  acrn_io_request_buffer& page_;
  const int vcpus_;
  ivshmem::acrn_simulation::Hypervisor& hypervisor_;
  EventFds events_;
  MemorySegments memory_;
  acrn::KernelHalf kernel_;

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  bool upcall_ = false;
  bool ending_ = false;
  bool client_ = false;
  uint64_t destroyed_ = 0;
  uint32_t left_over_ = 0;  // Slots that an earlier client has not finished.
  uint64_t notified_ = 0;
  std::map<uint64_t, std::pair<int, uint64_t>> faults_;
  std::thread worker_;
};

}  // namespace ivshmem::acrn_simulation

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_MODULE_H_
