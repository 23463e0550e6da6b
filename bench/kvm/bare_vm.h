// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_KVM_BARE_VM_H_
#define IVSHMEM_BENCH_KVM_BARE_VM_H_

#include <linux/kvm.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/unique_fd.h"
#include "bench/kvm/contender.h"
#include "bench/kvm/gate.h"

namespace ivshmem::bench {

// The hand-written program: ioctls, and for an access that comes out no more
// than what has to happen. It knows which figure is measured and looks at
// nothing but whether the access is a write. What KVM itself looks at is as
// with the real device: as many memory slots, and the same ioeventfds in the
// same order.
class BareVm : public Contender {
 public:
  // What a write that comes out does.
  enum class Trapped : uint8_t { kNothing, kSignals };

  // How its thread waits for an interrupt to send, where there is no irqfd: in
  // read(), which is the least, or in epoll_wait(), as one that waits for more
  // than one event, and whose events may not block, has to.
  enum class Waits : uint8_t { kInRead, kInEpoll };

  struct Options {
    FastPaths fast;
    Trapped trapped = Trapped::kNothing;
    Waits waits = Waits::kInRead;
  };

  // A guest that waits for work. vCPUs run on processor `cpu`.
  static absl::StatusOr<std::unique_ptr<BareVm>> Create(const Options& options,
                                                        int cpu);
  ~BareVm() override;

  Gate& gate() override { return *gate_; }
  int ring_fd() const override { return ring_.get(); }
  int interrupt_fd() const override { return interrupt_.get(); }
  int vcpu_fd() const override { return vcpu_.get(); }
  uint64_t exits() const override { return exits_; }
  absl::StatusOr<absl::Duration> AddVectors(int vectors) override;
  absl::StatusOr<absl::Duration> RemoveVectors() override;

 private:
  // Memory of this process, in pages of its own.
  class Pages {
   public:
    ~Pages();
    absl::Status Map(uint64_t size, int fd);
    uint8_t* data() const { return static_cast<uint8_t*>(data_); }

   private:
    void* data_ = nullptr;
    uint64_t size_ = 0;
  };

  explicit BareVm(const Options& options) : options_(options) {}

  // Parts of Create().
  absl::Status CreateMachine();
  absl::Status CreateVcpu();
  absl::Status SetIrqfd();
  absl::Status SetSlot(uint32_t slot, uint64_t address, uint8_t* data,
                       uint64_t size);
  absl::Status SetIoEventFd(uint32_t value, int fd, uint32_t flags = 0);

  void Run();
  void SendInterrupts();
  // Waits for an interrupt and takes it.
  bool AwaitInterrupt(int epoll);

  const Options options_;
  Pages ram_;
  Pages memory_;
  Pages run_page_;
  UniqueFd kvm_;
  UniqueFd vm_;
  UniqueFd vcpu_;
  UniqueFd ring_;
  UniqueFd interrupt_;
  UniqueFd own_;
  std::vector<UniqueFd> vectors_;  // Those of kManyPeer.
  std::unique_ptr<Gate> gate_;
  uint64_t exits_ = 0;
  std::atomic<bool> stop_{false};
  std::thread vcpu_thread_;
  std::thread interrupt_thread_;  // Without irqfd.
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_KVM_BARE_VM_H_
