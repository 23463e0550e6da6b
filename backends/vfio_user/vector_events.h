// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_VFIO_USER_VECTOR_EVENTS_H_
#define IVSHMEM_BACKENDS_VFIO_USER_VECTOR_EVENTS_H_

#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "backends/linux/event_fd.h"
#include "bus/pci/msi.h"

namespace ivshmem::vfio_user {

// The client's eventfds, one for each vector that it has given one. The
// device's messages, which name vectors here, signal them.
//
// A client may give an eventfd that is full, and make it wait: so one that has
// no room now is not written (the client has a signal waiting in it then). A
// client that changes both in the moment between the look and the write can
// still hold up the thread that signals, until it reads.
//
// Threading: everything from any thread at once.
class VectorEvents : public pci::MsiSink {
 public:
  explicit VectorEvents(int vectors) : slots_(vectors) {}

  // The message by which the device means `vector`.
  static pci::MsiMessage MessageOf(int vector);

  // Null for none. A message that was on its way when the vector lost its event
  // is signalled now.
  void Set(int vector, const std::shared_ptr<EventFd>& event)
      ABSL_LOCKS_EXCLUDED(mutex_);
  bool Has(int vector) const ABSL_LOCKS_EXCLUDED(mutex_);

  // Forgets messages that were on their way.
  void Reset() ABSL_LOCKS_EXCLUDED(mutex_);

  // Signals the vector's event, if it has one.
  void Trigger(int vector) noexcept ABSL_LOCKS_EXCLUDED(mutex_);

  void Send(const pci::MsiMessage& message) noexcept override
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Slot {
    std::shared_ptr<EventFd> event;
    bool missed = false;
  };

  static void Signal(EventFd& event) noexcept;

  mutable absl::Mutex mutex_;
  std::vector<Slot> slots_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace ivshmem::vfio_user

#endif  // IVSHMEM_BACKENDS_VFIO_USER_VECTOR_EVENTS_H_
