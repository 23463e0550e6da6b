// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_IOREQ_TRANSPORT_H_
#define IVSHMEM_BACKENDS_IOREQ_TRANSPORT_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/ioreq/request.h"
#include "backends/registration.h"

namespace ivshmem::ioreq {

// Tells a hypervisor which accesses are to be handed to this process.
//
// Threading: any thread, several at once: claims and the releases of several
// devices.
class RangeClaims {
 public:
  virtual ~RangeClaims() = default;

  // Accesses that lie wholly in [base, base + size) come as requests until the
  // registration goes; one that is under way then may still come later. Of
  // config space (kPciConfig) whole functions are claimed, 4 KiB each. Errors:
  // AlreadyExists for a range that overlaps one claimed here,
  // ResourceExhausted when the hypervisor takes no more, else what it says.
  virtual absl::StatusOr<RegistrationPtr> Claim(Space space, uint64_t base,
                                                uint64_t size) = 0;
};

// How a hypervisor hands over the accesses that it does not answer: a page of
// slots, one for each vCPU, which waits until its slot is completed.
//
// Threading: Wait() from one thread at a time; Begin() and Complete() from any,
// for one slot one at a time and in turns: a slot that was begun is completed
// before it is begun again. Stop() from any.
class Transport {
 public:
  virtual ~Transport() = default;

  virtual int slots() const = 0;

  // Blocks until a slot may have a request for Begin(), or for no reason. A
  // request that was there before, begun or not, may make it return at once.
  // Errors: Cancelled after Stop(); else the hypervisor's, for good.
  virtual absl::Status Wait() = 0;

  // Makes Wait() return now and whenever it is called later.
  virtual void Stop() noexcept = 0;

  // The request of slot `slot`, 0 to slots() - 1, if it has one that waits to
  // be begun. The caller then completes it, whatever is in it: its vCPU waits
  // for that. Never blocks.
  virtual std::optional<Request> Begin(int slot) noexcept = 0;

  // Answers what Begin() gave; `value` is what a read reads.
  virtual void Complete(int slot, uint64_t value) noexcept = 0;

  // Null where the hypervisor hands over all that nobody else answers.
  virtual RangeClaims* claims() { return nullptr; }
};

}  // namespace ivshmem::ioreq

#endif  // IVSHMEM_BACKENDS_IOREQ_TRANSPORT_H_
