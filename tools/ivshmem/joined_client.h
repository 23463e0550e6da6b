// Copyright 2026 The ivshmem Authors
// SPDX-License-Identifier: Apache-2.0

#ifndef IVSHMEM_TOOLS_IVSHMEM_JOINED_CLIENT_H_
#define IVSHMEM_TOOLS_IVSHMEM_JOINED_CLIENT_H_

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "backends/linux/event_loop.h"
#include "backends/linux/link_events.h"
#include "backends/linux/server_link.h"
#include "backends/registration.h"
#include "core/device.h"
#include "core/doorbell.h"
#include "core/events.h"
#include "core/interrupt_sink.h"
#include "core/peer_table.h"
#include "core/shared_memory.h"

namespace ivshmem::tool {

// The command as a peer: a device of its own, without a guest, joined to a
// server.
//
// Threading: one thread.
class JoinedClient : private LinkEvents,
                     private InterruptSink,
                     private PeerTable::Listener {
 public:
  // What the command wants to hear of while it runs; each may be empty.
  struct Told {
    std::function<void(PeerId peer)> joined;
    std::function<void(PeerId peer)> left;
    std::function<void(Vector vector)> interrupted;
    // Who can be rung is no longer what it was.
    std::function<void()> peers_changed;
    // The device's; outlives the client. Null for none.
    DeviceEvents* events = nullptr;
  };

  // Joins the server at `socket_path` and learns who is there, within
  // `timeout`. Errors: ServerLink's.
  static absl::StatusOr<std::unique_ptr<JoinedClient>> Join(
      const std::string& socket_path, absl::Duration timeout, Told told);
  ~JoinedClient() override;

  PeerId id() const { return *link_->id(); }
  SharedMemory memory() const { return link_->memory(); }
  bool memory_sealed() const { return link_->memory_sealed(); }

  // How many vectors each peer has, this client among them.
  std::map<PeerId, int> Peers() const;

  Device& device() { return *device_; }

  // As a guest that writes the doorbell. Errors name who is not there.
  absl::Status Ring(Doorbell doorbell);

  // Runs until `done` gives true or the server is lost, which is an error.
  absl::Status RunUntil(const std::function<bool()>& done);

  // For descriptors and clocks of the command's own.
  EventLoop& loop() { return *loop_; }

 private:
  explicit JoinedClient(std::unique_ptr<EventLoop> loop, Told told);

  absl::Status WaitForPeers(absl::Time deadline);

  void OnLinkEvent(const LinkEvent& event) noexcept override;
  InterruptResult Deliver(Vector vector) noexcept override;
  void PeersChanged() noexcept override;

  const Told told_;
  const std::unique_ptr<EventLoop> loop_;
  std::unique_ptr<ServerLink> link_;
  std::unique_ptr<Device> device_;
  RegistrationPtr attachment_;
  bool joined_ = false;
  bool peers_known_ = false;
  absl::Status failure_;
};

}  // namespace ivshmem::tool

#endif  // IVSHMEM_TOOLS_IVSHMEM_JOINED_CLIENT_H_
