// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_LOCAL_HSM_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_LOCAL_HSM_H_

// <linux/acrn.h> leaves its inclusion to others.
#include <linux/ioctl.h>
// After it.
#include <linux/acrn.h>

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/acrn/hsm.h"
#include "backends/ioreq/acrn/kernel_half.h"
#include "bus/pci/msi.h"

namespace ivshmem::acrn {

// /dev/acrn_hsm without a kernel, for who has the hypervisor's front and the
// device model in one process. It knows the ioctls of the I/O request client
// and of messages (CREATE, ATTACH, NOTIFY_REQUEST_FINISH, CLEAR, DESTROY,
// INJECT_MSI); others are -ENOTTY.
//
// Threading: any thread, several at once.
class LocalHsm : public Hsm {
 public:
  // `slots` as of KernelHalf. `hypervisor` is told of what is complete
  // (RequestSlots, say), outside of locks. `msi` may be null: then messages are
  // -ENOTTY, too. All outlive the object.
  LocalHsm(acrn_io_request_buffer& page, int slots,
           KernelHalf::Hypervisor& hypervisor, pci::MsiSink* msi)
      : slots_(slots), kernel_(page, slots, hypervisor, nullptr), msi_(msi) {}

  // The hypervisor has put a request into a slot: RequestSlots::Host::Upcall().
  void Upcall() noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  // A request that was not finished when its client was destroyed is the next
  // client's.
  using Hsm::Ioctl;
  int Ioctl(uint64_t request, uintptr_t argument) noexcept override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  int Create() ABSL_LOCKS_EXCLUDED(mutex_);
  int Destroy() ABSL_LOCKS_EXCLUDED(mutex_);
  int Attach() ABSL_LOCKS_EXCLUDED(mutex_);
  int Finish(const acrn_ioreq_notify& notify) ABSL_LOCKS_EXCLUDED(mutex_);

  const int slots_;
  KernelHalf kernel_;
  pci::MsiSink* const msi_;

  absl::Mutex mutex_;
  absl::CondVar changed_;
  bool client_ ABSL_GUARDED_BY(mutex_) = false;
  // How many clients there were: who waited for one that is gone learns it.
  uint64_t destroyed_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_LOCAL_HSM_H_
