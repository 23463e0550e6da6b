// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_DEVICE_ATTACHMENT_H_
#define IVSHMEM_BACKENDS_LINUX_DEVICE_ATTACHMENT_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/any_invocable.h"
#include "absl/synchronization/mutex.h"
#include "backends/linux/event_fd.h"
#include "backends/linux/event_loop.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/revocable.h"
#include "core/settle.h"

namespace ivshmem {

// Joins a device to what a link knows: brings changes to it in their order, and
// hands it the interrupts that arrive on its own vectors.
//
// Threading: Push() in the order in which things happened, so under the link's
// lock; Apply() afterwards, outside it, from any thread. Held by shared_ptr.
class DeviceAttachment {
 public:
  struct Change {
    enum class Kind : uint8_t {
      kId,          // The device's id is `peer` now.
      kConnect,     // `event` rings `vector` of `peer`.
      kDisconnect,  // `peer` is gone.
      kOwnVector,   // Peers ring the device's `vector` by `event`.
      // The server was joined anew: own vectors come again. The events that the
      // last session gave are still listened to, for a peer may hold them.
      kNewSession,
    };
    Kind kind;
    PeerId peer = 0;
    Vector vector = 0;
    std::shared_ptr<EventFd> event;
  };

  // `warn` is told of what could not be done. All outlive Close().
  DeviceAttachment(EventLoop& loop, Device& device,
                   absl::AnyInvocable<void(const std::string&)> warn);

  void Push(Change change) ABSL_LOCKS_EXCLUDED(mutex_);

  // Brings what was pushed to the device. If another thread is at it, that one
  // does.
  void Apply() noexcept;

  // One of the device's own vectors and what peers ring it by.
  struct OwnEvent {
    Vector vector;
    std::shared_ptr<EventFd> event;
  };

  // From now on nothing is done to the device from here but by Close(), and
  // what peers signal stays in the events; other threads are waited for.
  // Returns the events from before the last kNewSession. Once, and not beside
  // Close().
  std::vector<OwnEvent> Stop() noexcept;

  // The device loses the peers that it has from here. When this returns, no
  // other thread is in the device from here, and none will be.
  void Close() noexcept;

 private:
  // Applies all that waits. One thread at a time.
  void Drain();
  void ApplyOne(Device& device, Change change);
  void WatchOwnVector(Vector vector, std::shared_ptr<EventFd> event);

  EventLoop& loop_;
  absl::AnyInvocable<void(const std::string&)> warn_;
  const std::shared_ptr<Revocable<Device>> device_;
  Device& closed_device_;  // Touched again by Close() alone.
  Settler settler_;
  absl::Mutex mutex_;
  std::deque<Change> changes_ ABSL_GUARDED_BY(mutex_);

  // Of the thread that applies, inside Revocable::With().
  absl::flat_hash_set<PeerId> connected_;
  // Over the events of the device's own vectors, and over those from before the
  // last kNewSession.
  struct Watched {
    OwnEvent own;
    std::unique_ptr<EventLoop::Watch> watch;
  };
  std::vector<Watched> current_;
  std::vector<Watched> previous_;
  bool stopped_ = false;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_DEVICE_ATTACHMENT_H_
