// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_CAPI_OWN_VECTORS_H_
#define IVSHMEM_CAPI_OWN_VECTORS_H_

#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/revocable.h"

namespace ivshmem::capi {

// The events by which peers ring a device that has neither link nor
// switchboard, and who reads them. The device rings them as well, under its own
// id.
//
// Threading: Find() from any thread; all else one at a time. The device is told
// of peers from here, never under a lock.
class OwnVectors {
 public:
  explicit OwnVectors(Device& device);
  // The device is there still. Afterwards nothing from here is in it.
  ~OwnVectors();

  // `vector` is below the device's number of vectors. Replaces what there was.
  absl::Status Set(Vector vector, std::shared_ptr<EventFd> event);

  // Null when it has none.
  std::shared_ptr<EventFd> Find(Vector vector) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool any() const ABSL_LOCKS_EXCLUDED(mutex_);

  // The device's id, under which it rings itself from now on.
  void SetId(std::optional<PeerId> id);

  // `loop`, which outlives this, reads all events: those there are and those
  // that come. Errors: what the kernel says; nothing is read then.
  absl::Status Serve(EventLoop& loop);
  bool served() const { return loop_ != nullptr; }

 private:
  using WatchPtr = std::unique_ptr<EventLoop::Watch>;

  void Connect(Vector vector, std::shared_ptr<EventFd> event);
  absl::StatusOr<WatchPtr> NewWatch(EventLoop& loop, Vector vector,
                                    std::shared_ptr<EventFd> event);

  Device& device_;
  const std::shared_ptr<Revocable<Device>> revocable_;
  mutable absl::Mutex mutex_;
  // By vector; null where there is none.
  std::vector<std::shared_ptr<EventFd>> events_ ABSL_GUARDED_BY(mutex_);
  EventLoop* loop_ = nullptr;
  std::vector<WatchPtr> watches_;
};

}  // namespace ivshmem::capi

#endif  // IVSHMEM_CAPI_OWN_VECTORS_H_
