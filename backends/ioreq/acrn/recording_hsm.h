// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_RECORDING_HSM_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_RECORDING_HSM_H_

#include <linux/acrn.h>
#include <linux/ioctl.h>  // <linux/acrn.h> does not include it.

#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <utility>
#include <vector>

#include "backends/ioreq/acrn/hsm.h"

namespace ivshmem::acrn {

// For this folder's tests: a module without a kernel, which keeps what it is
// asked for and answers what it is told to, 0 when it is told nothing. One
// thread.
class RecordingHsm final : public Hsm {
 public:
  // The next request of that number is answered so, in the order of the calls;
  // further ones 0 again.
  void Answer(uint64_t request, int result) {
    answers_[request].push_back(result);
  }

  // Called in each request, with its number.
  std::function<void(uint64_t)> on_request;

  using Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override {
    requests_.push_back(request);
    // NOLINTNEXTLINE(performance-no-int-to-ptr): as ioctl(2) has it.
    Keep(request, reinterpret_cast<const void*>(argument));
    if (on_request) on_request(request);
    std::deque<int>& answers = answers_[request];
    if (answers.empty()) return 0;
    const int result = answers.front();
    answers.pop_front();
    return result;
  }

  // The numbers of the requests so far, which are forgotten.
  std::vector<uint64_t> TakeRequests() { return std::exchange(requests_, {}); }

  // What came with each request, and is forgotten.
  std::vector<acrn_ioreq_notify> TakeNotifications() {
    return std::exchange(notifications_, {});
  }
  std::vector<acrn_ioeventfd> TakeIoEventFds() {
    return std::exchange(io_event_fds_, {});
  }
  std::vector<acrn_irqfd> TakeIrqfds() { return std::exchange(irqfds_, {}); }
  std::vector<acrn_msi_entry> TakeMessages() {
    return std::exchange(messages_, {});
  }
  std::vector<acrn_vm_memmap> TakeSet() { return std::exchange(set_, {}); }
  std::vector<acrn_vm_memmap> TakeUnset() { return std::exchange(unset_, {}); }

 private:
  template <typename T>
  static void Add(std::vector<T>& kept, const void* argument) {
    std::memcpy(&kept.emplace_back(), argument, sizeof(T));
  }

  void Keep(uint64_t request, const void* argument) {
    switch (request) {
      case ACRN_IOCTL_NOTIFY_REQUEST_FINISH:
        return Add(notifications_, argument);
      case ACRN_IOCTL_IOEVENTFD:
        return Add(io_event_fds_, argument);
      case ACRN_IOCTL_IRQFD:
        return Add(irqfds_, argument);
      case ACRN_IOCTL_INJECT_MSI:
        return Add(messages_, argument);
      case ACRN_IOCTL_SET_MEMSEG:
        return Add(set_, argument);
      case ACRN_IOCTL_UNSET_MEMSEG:
        return Add(unset_, argument);
      default:
        return;
    }
  }

  std::map<uint64_t, std::deque<int>> answers_;
  std::vector<uint64_t> requests_;
  std::vector<acrn_ioreq_notify> notifications_;
  std::vector<acrn_ioeventfd> io_event_fds_;
  std::vector<acrn_irqfd> irqfds_;
  std::vector<acrn_msi_entry> messages_;
  std::vector<acrn_vm_memmap> set_;
  std::vector<acrn_vm_memmap> unset_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_RECORDING_HSM_H_
