// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#include "backends/linux/loop_thread.h"

#include <pthread.h>

#include <string>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "backends/linux/blocked_signals.h"

namespace ivshmem {

absl::StatusOr<std::unique_ptr<LoopThread>> LoopThread::Start(
    absl::string_view name) {
  auto loop = EventLoop::Create();
  if (!loop.ok()) return loop.status();
  auto thread = absl::WrapUnique(new LoopThread(*std::move(loop)));

  int error;
  {
    const BlockedSignals blocked;
    error = pthread_create(&thread->thread_, nullptr, &LoopThread::Main,
                           thread.get());
  }
  if (error != 0) return absl::ErrnoToStatus(error, "new thread");
  thread->started_ = true;
  pthread_setname_np(thread->thread_, std::string(name.substr(0, 15)).c_str());
  return thread;
}

LoopThread::LoopThread(std::unique_ptr<EventLoop> loop)
    : loop_(std::move(loop)) {}

LoopThread::~LoopThread() {
  if (!started_) return;
  loop_->Run([this] { stop_ = true; });
  pthread_join(thread_, nullptr);
}

void* LoopThread::Main(void* self) {
  auto* thread = static_cast<LoopThread*>(self);
  while (!thread->stop_) thread->loop_->Dispatch(absl::InfiniteDuration());
  return nullptr;
}

}  // namespace ivshmem
