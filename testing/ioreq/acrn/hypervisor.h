// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TESTING_IOREQ_ACRN_HYPERVISOR_H_
#define IVSHMEM_TESTING_IOREQ_ACRN_HYPERVISOR_H_

#include <linux/acrn.h>

#include <array>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace ivshmem::acrn_simulation {

// ACRN's hypervisor, as far as a page of I/O requests shows of it, and the
// judge of who works on the page: it knows no more of them than <linux/acrn.h>.
// Whatever they do against the rules is kept as a violation, never an end.
//
// Threading: any thread; accesses of one vCPU one at a time.
class Hypervisor {
 public:
  // `upcall` interrupts the kernel's half.
  Hypervisor(acrn_io_request_buffer& page, int vcpus,
             std::function<void()> upcall);

  // Puts `request` (type and union) into the vCPU's slot, and waits for the
  // answer: the slot as it was when it was COMPLETE. Returns whether there was
  // one, in time. The rules:
  //  - the slot was FREE before, with what it held when it became so;
  //  - its state goes PENDING, PROCESSING, COMPLETE, never back;
  //  - nobody changes anything in it but the value of what is not known to be a
  //    write, the kernel's flag and the state (and the kernel what is for ports
  //    0xCF8 and 0xCFC to 0xCFF);
  //  - who waits is told exactly once, after COMPLETE; who polls never.
  bool Access(int vcpu, acrn_io_request& request, bool polling);

  // The hypercall.
  void NotifyFinished(int vcpu);

  // Overwrites a slot while no request is in it, whatever it means.
  void Poke(int vcpu, const acrn_io_request& slot);
  acrn_io_request Peek(int vcpu) const;

  void Violation(std::string what);
  // All of them, one to a line; with those of slots that are not as they were.
  std::string Violations();
  uint64_t requests() const;

 private:
  struct Vcpu {
    std::condition_variable told;
    bool waits = false;      // For the hypercall.
    int hypercalls = 0;      // For this request.
    acrn_io_request before;  // What the slot held when it became FREE.
  };

  // Follows the states until COMPLETE.
  bool Await(int vcpu, bool polling);
  void CheckUntouched(int vcpu);
  void CheckAnswer(int vcpu, const acrn_io_request& asked,
                   const acrn_io_request& answered);

  acrn_io_request_buffer& page_;
  const int vcpus_;
  const std::function<void()> upcall_;

  mutable std::mutex mutex_;
  std::array<Vcpu, ACRN_IO_REQUEST_MAX> states_;
  uint64_t requests_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace ivshmem::acrn_simulation

#endif  // IVSHMEM_TESTING_IOREQ_ACRN_HYPERVISOR_H_
