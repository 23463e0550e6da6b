// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_LOOP_H_
#define IVSHMEM_CAPI_LOOP_H_

#include <memory>
#include <thread>

#include "backends/linux/event_loop.h"
#include "backends/linux/loop_thread.h"
#include "capi/in_use.h"
#include "capi/inside.h"
#include "ivshmem/ivshmem.h"

// One of the two.
struct ivshmem_loop {
  ivshmem::EventLoop& events() const {
    return thread != nullptr ? thread->loop() : *own;
  }
  // Whether this thread is the one that runs handlers.
  bool inside() const {
    return ivshmem::capi::Inside::Of(this) ||
           (thread != nullptr && std::this_thread::get_id() == thread_id);
  }

  std::unique_ptr<ivshmem::EventLoop> own;
  std::unique_ptr<ivshmem::LoopThread> thread;
  std::thread::id thread_id;
  ivshmem::capi::InUse in_use;
};

#endif  // IVSHMEM_CAPI_LOOP_H_
