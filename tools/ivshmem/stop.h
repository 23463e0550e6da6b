// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_STOP_H_
#define IVSHMEM_TOOLS_IVSHMEM_STOP_H_

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/unique_fd.h"

namespace ivshmem::tool {

// What tells a running command to end: SIGINT, SIGTERM, or the end of its
// input.
//
// Threading: one thread.
class Stop {
 public:
  // From now on the two signals are held for Watch(), so none is missed.
  static absl::StatusOr<Stop> OnSignals();

  absl::Status Watch(EventLoop& loop);
  // What comes in is read and ignored. A file or nothing at all is an end.
  absl::Status WatchInput(EventLoop& loop);

  bool requested() const { return *requested_; }

 private:
  explicit Stop(UniqueFd signals);

  UniqueFd signals_;
  std::unique_ptr<bool> requested_;
  std::unique_ptr<EventLoop::Watch> signal_watch_;
  std::unique_ptr<EventLoop::Watch> input_watch_;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_STOP_H_
