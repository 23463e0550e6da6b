// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BENCH_IOREQ_BY_HAND_H_
#define IVSHMEM_BENCH_IOREQ_BY_HAND_H_

#include <atomic>
#include <cstdint>
#include <optional>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "bench/ioreq/bench_device.h"
#include "bench/ioreq/contender.h"
#include "bench/kvm/cpus.h"

namespace ivshmem::bench {

// A vCPU that reads a register through a page, and a thread that knows the
// answer: what the page's protocol costs by itself.
template <typename Page>
class ByHand : public Contender {
 public:
  absl::StatusOr<absl::Duration> Run(const Cpus& cpus,
                                     uint32_t count) override {
    end_ = false;
    PinThread(cpus.host);
    std::thread partner([this] { Answer(); });
    absl::StatusOr<absl::Duration> took = Time(cpus, count, [this] {
      return page_.Read(BenchDevice::kPosition) == BenchDevice::kId;
    });
    end_ = true;
    partner.join();
    return took;
  }

 private:
  void Answer() {
    while (!end_.load(std::memory_order_relaxed)) {
      const std::optional<uint64_t> address = page_.Asked();
      if (address.has_value()) {
        page_.Answer(*address == BenchDevice::kPosition ? BenchDevice::kId : 0);
      } else {
        Breathe();
      }
    }
  }

  Page page_{Wait::kPoll};
  alignas(64) std::atomic<bool> end_{false};
};

}  // namespace ivshmem::bench

#endif  // IVSHMEM_BENCH_IOREQ_BY_HAND_H_
