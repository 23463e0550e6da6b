// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_REQUEST_SLOTS_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_REQUEST_SLOTS_H_

#include <linux/acrn.h>

#include <array>
#include <cstdint>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/acrn/kernel_half.h"

namespace ivshmem::acrn {

// The hypervisor's end of a VM's page of I/O requests: a slot for each vCPU,
// into which its request is put and out of which the answer is taken.
//
// Threading: any thread, several at once; Insert() and Take() of one vCPU one
// at a time. The host is called outside of locks.
class RequestSlots : public KernelHalf::Hypervisor {
 public:
  class Host {
   public:
    virtual ~Host() = default;

    // A slot is PENDING: interrupts whoever runs the kernel's half.
    virtual void Upcall() noexcept = 0;

    // Take() may have something for `vcpu`, which waits; or not. Not called
    // for requests that are polled.
    virtual void Resume(int vcpu) noexcept = 0;
  };

  static constexpr int kPending = 1;

  // `vcpus` is 1 to ACRN_IO_REQUEST_MAX. `polling`: the vCPUs call Take() until
  // it has the answer, and nobody tells them. All slots become FREE. `page` and
  // `host` outlive the object.
  RequestSlots(acrn_io_request_buffer& page, int vcpus, bool polling,
               Host& host);

  int vcpus() const { return vcpus_; }

  // Puts what `request` asks for into the slot of `vcpu`. Returns kPending; or
  // -EBUSY when a request is there, that Take() has not taken or that somebody
  // else put there.
  int Insert(int vcpu, const acrn_io_request& request) noexcept;

  // Takes the answer out of the slot of `vcpu`, which is FREE then: 0, and what
  // a read reads is in `request`, which is what was inserted. kPending while it
  // is not there. -ECANCELED when there is no such request (any more): there
  // was a Reset().
  int Take(int vcpu, acrn_io_request& request) noexcept;

  // Takes all requests back, at any moment, and resumes the vCPUs that wait.
  // All slots become FREE; one that is PROCESSING does so when the device model
  // has answered: what it answers goes nowhere, and until then the next request
  // of that vCPU waits (Take() is kPending).
  void Reset() noexcept;

  // One of ACRN_IOREQ_STATE_*; FREE of a slot that is none. What is set does
  // not make or end a request here.
  uint32_t state(int vcpu) const noexcept;
  void set_state(int vcpu, uint32_t state) noexcept;

  // KernelHalf::Hypervisor
  void RequestFinished(int slot) noexcept override;

 private:
  struct Slot {
    acrn_io_request* shared = nullptr;  // In the page.
    absl::Mutex mutex;
    // A request is in the page's slot.
    bool posted ABSL_GUARDED_BY(mutex) = false;
    // One that was taken back is there: the device model writes an answer.
    bool abandoned ABSL_GUARDED_BY(mutex) = false;
    // Waits for that.
    std::optional<acrn_io_request> deferred ABSL_GUARDED_BY(mutex);
  };

  bool Has(int vcpu) const { return vcpu >= 0 && vcpu < vcpus_; }
  // Whether no abandoned request is in the way (any more).
  static bool Reclaim(Slot& slot) noexcept
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot.mutex);
  int Post(Slot& slot, const acrn_io_request& request) noexcept
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot.mutex);
  static int TakePosted(Slot& slot, acrn_io_request& request) noexcept
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot.mutex);

  const int vcpus_;
  const bool polling_;
  Host& host_;
  std::array<Slot, ACRN_IO_REQUEST_MAX> slots_;
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_REQUEST_SLOTS_H_
