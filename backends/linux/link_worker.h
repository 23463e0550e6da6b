// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_BACKENDS_LINUX_LINK_WORKER_H_
#define IVSHMEM_BACKENDS_LINUX_LINK_WORKER_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/random/random.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/link_connection.h"
#include "backends/linux/link_events.h"
#include "backends/linux/link_hand_over.h"
#include "backends/linux/link_peers.h"
#include "backends/linux/memory_object.h"
#include "backends/linux/server_link.h"
#include "backends/linux/unique_fd.h"
#include "core/counters.h"
#include "core/protocol/client.h"
#include "core/revocable.h"

namespace ivshmem {

// What a ServerLink does: one connection after the other, and what stays from
// each to the next.
//
// Threading: what handles the loop's calls runs on its thread, inside `self_`,
// which Close() revokes; what more than that thread sees is under the lock.
class ServerLink::Worker : private LinkConnection::Receiver {
 public:
  Worker(EventLoop& loop, Options options, LinkEvents* events);

  absl::Status Start();
  // Before Start(): goes on where another ended. Errors: InvalidArgument.
  absl::Status Adopt(LinkHandOver from) ABSL_LOCKS_EXCLUDED(mutex_);
  void Close();
  absl::StatusOr<LinkHandOver> HandOver() ABSL_LOCKS_EXCLUDED(mutex_);

  absl::Status WaitJoined(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<PeerId> id() const ABSL_LOCKS_EXCLUDED(mutex_);
  SharedMemory memory() const ABSL_LOCKS_EXCLUDED(mutex_);
  int memory_fd() const ABSL_LOCKS_EXCLUDED(mutex_);
  bool memory_sealed() const ABSL_LOCKS_EXCLUDED(mutex_);
  std::string identity() const ABSL_LOCKS_EXCLUDED(mutex_);
  uint64_t count(Count count) const { return counters_.Get(count); }

  absl::StatusOr<std::shared_ptr<DeviceAttachment>> Attach(Device& device)
      ABSL_LOCKS_EXCLUDED(mutex_);
  void Detach() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // A notification that came before the memory.
  struct Early {
    protocol::ClientEvent event;
    UniqueFd fd;
  };

  void Revoke();
  // The session that was adopted; false when there is none, or it has ended.
  bool Resume();
  void TryToConnect();
  void TryAgainLater();
  void OnAbsentPeersDue();

  // LinkConnection::Receiver
  void Enter(absl::FunctionRef<void()> work) override;
  absl::Status OnMessage(const protocol::ClientEvent& event,
                         UniqueFd fd) override;
  void OnEnd(absl::Status why) override;

  absl::Status Join(UniqueFd memory);
  absl::Status Notified(const protocol::ClientEvent& event, UniqueFd fd);
  absl::Status CheckRoom(size_t descriptors) const;
  void Emit(const LinkEvent& event) const;
  // Brings what LinkPeers pushed to the device.
  void Apply();

  EventLoop& loop_;
  const Options options_;
  LinkEvents* const events_;
  Counters<Count> counters_;
  Revocable<Worker> self_{*this};
  bool closed_ = false;  // Its caller's.

  // The loop's thread's.
  absl::BitGen random_;
  std::unique_ptr<LinkConnection> connection_;
  std::unique_ptr<EventLoop::Timer> retry_timer_;
  std::unique_ptr<EventLoop::Timer> absent_timer_;
  absl::Duration retry_delay_;
  int name_conflicts_ = 0;
  // Of the connection under way.
  bool session_joined_ = false;
  bool peers_known_ = false;
  PeerId session_id_ = 0;
  std::vector<Early> early_;
  // Adopted, and not resumed yet.
  std::optional<LinkConnection::Session> adopted_;

  mutable absl::Mutex mutex_;
  std::string identity_ ABSL_GUARDED_BY(mutex_);
  std::optional<PeerId> id_ ABSL_GUARDED_BY(mutex_);
  std::optional<MemoryObject> memory_ ABSL_GUARDED_BY(mutex_);
  MappedMemory mapped_ ABSL_GUARDED_BY(mutex_);
  LinkPeers peers_ ABSL_GUARDED_BY(mutex_);
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
  // No further attempt will be made.
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ivshmem

#endif  // IVSHMEM_BACKENDS_LINUX_LINK_WORKER_H_
