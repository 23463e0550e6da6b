// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_ACRN_KERNEL_HALF_H_
#define IVSHMEM_BACKENDS_IOREQ_ACRN_KERNEL_HALF_H_

#include <linux/acrn.h>

#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "backends/ioreq/acrn/config_address.h"

namespace ivshmem::acrn {

// What ACRN's kernel module does with a VM's page of I/O requests, between the
// hypervisor, which fills slots and takes answers out, and the device model,
// which makes the answers. No system calls: for tests, and for who has both
// ends in one process (LocalHsm).
//
// A slot's state, `processed`, goes FREE → PENDING (hypervisor) → PROCESSING
// (here) → COMPLETE (here) → FREE (hypervisor). A request that the hypervisor
// takes back, by FREE, is over. But the device model may be at work on it, and
// its answer, when it comes, is taken for that of whatever is PROCESSING by
// then, as in Linux: who takes back what is PROCESSING puts nothing into that
// slot before the device model has ended (RequestSlots does neither).
//
// Threading: any thread, several at once. What is given to the constructor is
// called outside of locks, where nothing else is said, and may call back.
class KernelHalf {
 public:
  // The hypercalls.
  class Hypervisor {
   public:
    virtual ~Hypervisor() = default;

    // The slot's request is COMPLETE, and the hypervisor does not poll for it.
    virtual void RequestFinished(int slot) noexcept = 0;
  };

  // Who answers requests in the kernel: an ioeventfd, say. What it covers, no
  // device model sees.
  class Client {
   public:
    virtual ~Client() = default;

    // Called under a lock: only looks.
    virtual bool Covers(const acrn_io_request& request) noexcept = 0;

    // What a read reads is put into `request`.
    virtual void Answer(acrn_io_request& request) noexcept = 0;
  };

  // `slots` is 1 to ACRN_IO_REQUEST_MAX, the number of the VM's vCPUs; `client`
  // may be null. All outlive the object.
  KernelHalf(acrn_io_request_buffer& page, int slots, Hypervisor& hypervisor,
             Client* client)
      : page_(page), slots_(slots), hypervisor_(hypervisor), client_(client) {}

  // Whether a device model is there. While there is none, what it would answer
  // stays PENDING; the next Upcall() after it came takes it over.
  void SetServed(bool served) ABSL_LOCKS_EXCLUDED(mutex_);

  // The hypervisor's interrupt: takes over all slots that are PENDING, and
  // answers what is the kernel's. Returns whether the device model has
  // something to do.
  bool Upcall() noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  // The slots that the device model has not answered, a bit for each.
  uint32_t pending() const noexcept { return pending_.load(); }

  // The device model has answered the request of `slot`: its value is there.
  // Returns false, and does nothing, if it has none there (any more).
  bool Finish(int slot) noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  // Completes all requests that the device model has or would get, as it does
  // before a VM is reset. Reads read what is in the slot. By then it works on
  // none of them any more.
  void Clear() noexcept ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  enum class Outcome : uint8_t { kNone, kFinished, kPolled, kTakenBack };
  // Whose a slot is after the look at it.
  enum class Owner : uint8_t { kOthers, kClient, kNobody };

  // kNobody: it is answered, and only to be completed.
  Owner TakeOver(int slot) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  Outcome Complete(int slot) noexcept ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // Ends what the kernel answers.
  void End(int slot, Owner owner) noexcept ABSL_LOCKS_EXCLUDED(mutex_);
  void Tell(int slot, Outcome outcome) noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  acrn_io_request_buffer& page_;
  const int slots_;
  Hypervisor& hypervisor_;
  Client* const client_;

  absl::Mutex mutex_;
  ConfigAddress config_address_ ABSL_GUARDED_BY(mutex_);
  bool served_ ABSL_GUARDED_BY(mutex_) = false;
  // Slots that are the kernel's to answer.
  uint32_t answering_ ABSL_GUARDED_BY(mutex_) = 0;
  // Written under the lock.
  std::atomic<uint32_t> pending_{0};
};

}  // namespace ivshmem::acrn

#endif  // IVSHMEM_BACKENDS_IOREQ_ACRN_KERNEL_HALF_H_
