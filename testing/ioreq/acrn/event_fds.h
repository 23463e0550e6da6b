// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_EVENT_FDS_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_EVENT_FDS_H_

#include <linux/acrn.h>

#include <cstdint>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

#include "backends/ioreq/acrn/kernel_half.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::acrn_simulation {

// ioeventfds, irqfds and the messages that reach the guest. As in Linux, a
// write that an ioeventfd's address has but its value does not match is lost,
// a read there gives 0, and an irqfd leaves its signals in the eventfd.
// Eventfds are known by the caller's number.
//
// Threading: any thread.
class EventFds : public acrn::KernelHalf::Client {
 public:
  EventFds();
  ~EventFds() override;

  int IoEventFd(const acrn_ioeventfd& config, UniqueFd fd);
  int Irqfd(const acrn_irqfd& config, UniqueFd fd);
  void Inject(const acrn_msi_entry& message);

  // What came since the last call.
  std::vector<acrn_msi_entry> Take();

  // KernelHalf::Client
  bool Covers(const acrn_io_request& request) noexcept override;
  void Answer(acrn_io_request& request) noexcept override;

 private:
  struct BoundDoorbell {
    acrn_ioeventfd config;
    UniqueFd fd;
  };
  struct BoundMessage {
    uint64_t number;
    acrn_irqfd config;
    UniqueFd fd;
  };

  void Listen();

  const UniqueFd epoll_;
  const UniqueFd end_;

  std::mutex mutex_;
  std::list<BoundDoorbell> doorbells_;
  std::list<BoundMessage> messages_;
  uint64_t numbers_ = 0;
  std::vector<acrn_msi_entry> sent_;
  std::thread listener_;
};

}  // namespace ivshmem::acrn_simulation

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_EVENT_FDS_H_
