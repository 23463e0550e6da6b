// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/ioreq/ping_pong.h"

#include <thread>

#include "bench/ioreq/futex.h"

namespace ivshmem::bench {

uint32_t PingPong::Await(uint32_t seen) {
  while (true) {
    const uint32_t value = line_.load(std::memory_order_acquire);
    if (value != seen) return value;
    if (wait_ == Wait::kPoll) {
      Breathe();
    } else {
      FutexWait(line_, seen);
    }
  }
}

void PingPong::Put(uint32_t value) {
  line_.store(value, std::memory_order_release);
  if (wait_ == Wait::kBlock) FutexWake(line_);
}

void PingPong::Answer() {
  uint32_t seen = 0;
  while ((seen = Await(seen)) != kEnd) Put(++seen);
}

absl::StatusOr<absl::Duration> PingPong::Run(const Cpus& cpus, uint32_t count) {
  line_ = 0;
  PinThread(cpus.host);
  std::thread partner([this] { Answer(); });
  uint32_t turn = 0;
  absl::StatusOr<absl::Duration> took = Time(cpus, count, [&] {
    Put(turn + 1);
    const uint32_t answer = Await(turn + 1);
    turn += 2;
    return answer == turn;
  });
  Put(kEnd);
  partner.join();
  return took;
}

}  // namespace ivshmem::bench
