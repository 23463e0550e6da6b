// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/device/lanes.h"

#include <algorithm>
#include <chrono>
#include <limits>

#include "bench/kvm/cpus.h"

namespace ivshmem::bench {
namespace {

int64_t Now() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Lanes::Lanes() {
  for (int lane = 0; lane < kLanes; ++lane) {
    threads_[lane] = std::thread([this, lane] { Serve(lane); });
  }
}

Lanes::~Lanes() {
  {
    absl::MutexLock lock(&mutex_);
    turn_ = -1;
  }
  for (std::thread& thread : threads_) thread.join();
}

double Lanes::Run(Operation& operation, uint32_t count, int lanes) {
  absl::MutexLock lock(&mutex_);
  operation_ = &operation;
  count_ = count;
  lanes_ = lanes;
  working_ = kLanes;
  began_ = std::numeric_limits<int64_t>::max();
  ended_ = 0;
  ready_ = 0;
  ++turn_;
  const auto done = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return working_ == 0;
  };
  mutex_.Await(absl::Condition(&done));
  return static_cast<double>(ended_ - began_);
}

void Lanes::Serve(int lane) {
  const Cpus cpus = ChooseCpus();
  PinThread(lane == 0 ? cpus.host : cpus.guest);
  int64_t seen = 0;
  for (;;) {
    Operation* operation;
    uint32_t count;
    int lanes;
    {
      absl::MutexLock lock(&mutex_);
      const auto called = [this, seen]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
        return turn_ != seen;
      };
      mutex_.Await(absl::Condition(&called));
      seen = turn_;
      if (seen == -1) return;
      operation = operation_;
      count = count_;
      lanes = lanes_;
    }
    int64_t began = std::numeric_limits<int64_t>::max();
    int64_t ended = 0;
    if (lane < lanes) {
      ++ready_;
      while (ready_ != lanes) {
      }
      began = Now();
      operation->Run(lane, count);
      ended = Now();
    }
    absl::MutexLock lock(&mutex_);
    began_ = std::min(began_, began);
    ended_ = std::max(ended_, ended);
    --working_;
  }
}

}  // namespace ivshmem::bench
