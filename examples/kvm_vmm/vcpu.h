// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_EXAMPLES_KVM_VMM_VCPU_H_
#define IVSHMEM_EXAMPLES_KVM_VMM_VCPU_H_

#include <linux/kvm.h>
#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>

#include "absl/functional/any_invocable.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/unique_fd.h"
#include "bus/mmio_handler.h"

namespace ivshmem::kvm_vmm {

// A virtual processor, and the thread that runs it if the VMM's own does not.
//
// Threading: one thread, that of the VMM's main program, but for exits() and
// Interrupt().
class Vcpu {
 public:
  // `vm` is the VM's descriptor, `kvm` that of /dev/kvm. Accesses of the guest
  // that KVM does not answer go to `memory` by their address and to `ports` by
  // their number; both outlive the object. The processor is as after a reset:
  // real mode, to begin 16 bytes below 4 GiB.
  static absl::StatusOr<std::unique_ptr<Vcpu>> Create(int kvm, int vm,
                                                      MmioHandler& memory,
                                                      MmioHandler& ports);
  ~Vcpu();

  // The descriptor, to change registers while the guest does not run.
  int fd() const { return fd_.get(); }

  // Runs the guest on this thread until Interrupt(); OK then. Errors: why the
  // guest cannot go on.
  absl::Status Run();
  // From any thread: Run() returns soon, the next one if none is under way. An
  // access that the guest has made is complete by then.
  void Interrupt();

  // The guest runs from now on, on a thread of its own. `ended`, if given, is
  // called from the thread when it does not any more, by itself or because of
  // Stop().
  void Start(absl::AnyInvocable<void()> ended = {});
  // Ends the thread, wherever the guest is, and waits for it.
  void Stop();
  // Waits until the guest cannot go on; says why. OK after Stop().
  absl::Status Wait();

  // How many accesses of memory and ports came out to this program.
  uint64_t exits() const { return exits_.load(std::memory_order_relaxed); }

 private:
  struct Unmap {
    size_t size;
    void operator()(kvm_run* run) const;
  };

  Vcpu(UniqueFd fd, std::unique_ptr<kvm_run, Unmap> run, MmioHandler& memory,
       MmioHandler& ports);
  // Handles one exit. An error is the guest's end.
  absl::Status HandleExit();

  const UniqueFd fd_;
  const std::unique_ptr<kvm_run, Unmap> run_;
  MmioHandler& memory_;
  MmioHandler& ports_;
  std::atomic<uint64_t> exits_{0};
  std::atomic<bool> interrupted_{false};
  std::atomic<pid_t> runner_{0};  // The thread in Run(); 0: none.
  std::atomic<bool> ended_{false};
  absl::Status end_;  // The thread's own until it is joined.
  std::thread thread_;
};

}  // namespace ivshmem::kvm_vmm

#endif  // IVSHMEM_EXAMPLES_KVM_VMM_VCPU_H_
