// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "bench/kvm/gate.h"

#include <utility>

#include "bench/kvm/cpus.h"

namespace ivshmem::bench {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(30);

}  // namespace

Gate::Gate(uint8_t* ram, int cpu)
    : mailbox_(*reinterpret_cast<volatile BenchMailbox*>(ram +
                                                         kBenchMailboxAddress)),
      cpu_(cpu) {}

BenchOperation Gate::Next() {
  absl::Duration took;
  if (stopwatch_.has_value()) took = stopwatch_->Elapsed();
  stopwatch_.reset();
  if (!std::exchange(pinned_, true)) PinThread(cpu_);
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    took_ = took;
    waiting_ = true;
    const auto due = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
      return work_.has_value() || closed_;
    };
    mutex_.Await(absl::Condition(&due));
    if (closed_) return kBenchHalt;
    work = *std::exchange(work_, std::nullopt);
  }
  mailbox_.address = work.address;
  mailbox_.value = work.value;
  mailbox_.count = work.count;
  mailbox_.result = 0;
  mailbox_.longest = 0;
  stopwatch_.emplace();
  return work.operation;
}

void Gate::Fail(const absl::Status& why) {
  absl::MutexLock lock(&mutex_);
  end_ = why;
}

void Gate::Start(const Work& work) {
  mailbox_.stop = 0;
  absl::MutexLock lock(&mutex_);
  waiting_ = false;
  work_ = work;
}

absl::StatusOr<absl::Duration> Gate::Finish() {
  absl::MutexLock lock(&mutex_);
  const auto done = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return waiting_ || !end_.ok();
  };
  if (!mutex_.AwaitWithTimeout(absl::Condition(&done), kPatience)) {
    return absl::DeadlineExceededError("the guest does not finish its work");
  }
  if (!end_.ok()) return end_;
  return took_;
}

void Gate::Close() {
  absl::MutexLock lock(&mutex_);
  closed_ = true;
}

}  // namespace ivshmem::bench
